/** An admin API on a free loopback port, with state that a test can change under it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { failed, problem, succeeded, type Outcome, type Problem } from '../../../src/errors.js';
import { startAdmin, type Admin, type AdminOptions } from '../../../src/admin/admin.js';
import { AuditLog } from '../../../src/admin/audit.js';
import { systemClock } from '../../../src/clock.js';
import type { KindStatus, NodeStatus } from '../../../src/xds/nodes.js';
import type { AdminState } from '../../../src/admin/state.js';
import { fleetWith } from '../../../src/fleet/changes.js';
import type { BeliefStatus, Removal } from '../../../src/fleet/beliefs.js';
import { emptyFleet } from '../../../src/fleet/fleet.js';
import type {
  Catalogue,
  Fleet,
  Registration,
  Service,
  SourceName,
} from '../../../src/fleet/fleet.js';
import type { RolloutDocument } from '../../../src/fleet/rollout.js';
import { Latest } from '../../../src/latest.js';
import { silentLog } from '../../../src/log.js';
import { createMetrics } from '../../../src/metrics.js';
import { decodeRegistration } from '../../../src/registry/decode.js';
import type { Hearing, Registry, Written } from '../../../src/registry/registry.js';
import type { Signals } from '../../../src/rollout/judge.js';
import { Rollouts } from '../../../src/rollouts.js';
import { anySettings } from '../rollouts/stage.js';
import { catalogueOf, registration, serviceOf as mergedService } from '../fleet/registered.js';

/** Keeps registrations in memory and shows them in the fleet at once. */
class MemoryRegistry implements Registry {
  readonly source = 'file';
  readonly #held = new Map<string, Registration>();
  /** When set, every write fails with it. */
  refusal: Problem | Error | undefined;

  constructor(private readonly fleet: Latest<Fleet>) {}

  watch(): void {}

  async put(document: Readonly<Record<string, unknown>>): Promise<Outcome<Written>> {
    if (this.refusal instanceof Error) throw this.refusal;
    if (this.refusal) return failed(this.refusal);
    const decoded = decodeRegistration(document, {
      source: this.source,
      allowedTargets: ['127.0.0.0/8', '10.0.0.0/8'],
    });
    if (!decoded.ok) return Promise.resolve(decoded);
    const { value: registration, warnings } = decoded.value;
    const key = `${registration.name}/${registration.id}`;
    const before = this.#held.get(key);
    const again = isDeepStrictEqual(before, registration) ? 'unchanged' : 'replaced';
    const change = before === undefined ? 'added' : again;
    this.#held.set(key, registration);
    this.fleet.set(withInstance(this.fleet.value, registration));
    return succeeded({ registration, change, warnings });
  }

  remove(service: string, instance?: string): Promise<Outcome<readonly string[]>> {
    const gone = [...this.#held.values()].filter(
      ({ name, id }) => name === service && (instance === undefined || id === instance),
    );
    if (gone.length === 0)
      return Promise.resolve(
        failed(problem('not_found', { service }, `The file holds no ${service}.`)),
      );
    for (const { name, id } of gone) this.#held.delete(`${name}/${id}`);
    const services = this.fleet.value.services.filter(({ name }) => name !== service);
    this.fleet.set({ services });
    return Promise.resolve(succeeded(gone.map(({ id }) => id)));
  }

  async keepRollout(
    document: RolloutDocument,
    expected: RolloutDocument | undefined,
  ): Promise<Outcome<void>> {
    if (this.refusal instanceof Error) throw this.refusal;
    await Promise.resolve();
    const { services } = this.fleet.value;
    const service = services.find(({ name }) => name === document.current.service);
    if (!service || service.rollout?.document !== expected)
      return failed(problem('write_conflict', {}, 'Somebody else changed it in between.'));
    const next: Service = { ...service, rollout: { source: this.source, document } };
    this.fleet.set(fleetWith(this.fleet.value, new Map([[service.name, next]])));
    return succeeded(undefined);
  }

  spend(): never {
    throw new Error('the admin API uses nothing up');
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function withInstance({ services }: Fleet, registration: Registration): Fleet {
  const others = services.filter(({ name }) => name !== registration.name);
  const all = [...others, serviceOf(registration.name, { instances: [registration] })];
  return { services: all.sort((one, other) => (one.name < other.name ? -1 : 1)) };
}

/** A service of one passing instance that was asked and offers one tool. */
export function serviceOf(name: string, changes: Partial<Service> = {}): Service {
  const catalogue: Catalogue = {
    ...catalogueOf(),
    eras: ['modern', 'legacy'],
    serverInfo: { name },
    tools: [{ name: 'look', title: 'Look', description: 'Looks at a thing' }],
  };
  return {
    ...mergedService(registration({ name, host: '127.0.0.1' })),
    probe: { catalogue, failure: undefined },
    ...changes,
  };
}

export const holding: KindStatus = {
  acknowledged: 'abc123',
  held: 2,
  wildcard: true,
  inFlight: false,
  settled: true,
  refused: [],
};

export function nodeOf(id: string, changes: Partial<NodeStatus> = {}): NodeStatus {
  return {
    id,
    cluster: 'mcpx',
    version: '1.40.0',
    role: 'edge',
    address: '127.0.0.1:51000',
    connectedSince: Date.UTC(2026, 0, 2, 3, 4, 5),
    kinds: { cluster: holding, endpoint: holding, listener: holding, route: holding },
    lagMs: 0,
    lastRefusal: undefined,
    complaints: new Map(),
    ...changes,
  };
}

/** An Envoy that refused its listener. */
export function refusingNode(id: string): NodeStatus {
  const { kinds } = nodeOf(id);
  return nodeOf(id, {
    lagMs: 1_500,
    kinds: { ...kinds, listener: { ...holding, settled: true, refused: ['edge'] } },
    lastRefusal: { kind: 'listener', names: ['edge'], message: 'no such filter', at: 0 },
  });
}

type Stage = AdminState & {
  readonly registry: MemoryRegistry;
  readonly problemsNow: Latest<readonly Problem[]>;
  readonly nodesNow: Latest<readonly NodeStatus[]>;
  /** What is held back of the file. */
  readonly heldNow: Latest<BeliefStatus['held']>;
  /** What was announced to be removed. */
  readonly announced: Removal[];
  /** What agents felt, by version. */
  readonly signalsNow: Map<string, Signals>;
};

export function stateOf(services: readonly Service[] = []): Stage {
  const fleet = new Latest<Fleet>(services.length === 0 ? emptyFleet : { services });
  const registry = new MemoryRegistry(fleet);
  const problemsNow = new Latest<readonly Problem[]>([]);
  const nodesNow = new Latest<readonly NodeStatus[]>([]);
  const heldNow = new Latest<BeliefStatus['held']>(undefined);
  const announced: Removal[] = [];
  const signalsNow = new Map<string, Signals>();
  const hearing = new Latest<ReadonlyMap<SourceName, Hearing>>(
    new Map([['file', { state: 'heard' }]]),
  );
  const registries = new Map([['file' as const, registry]]);
  const rollouts = new Rollouts({
    ...{ fleet, hearing, registries, write: 'file', settings: anySettings(), log: silentLog },
    lagging: () => [],
    signals: (_, version) => signalsNow.get(version),
    counts: (_, version, times) => {
      const felt = signalsNow.get(version);
      return felt && times.map(() => felt);
    },
    clock: { now: () => Date.UTC(2026, 0, 2, 3, 4, 5) },
  });
  steering.push(rollouts);
  return {
    ...{ signalsNow, rollouts },
    problemsNow,
    nodesNow,
    heldNow,
    announced,
    beliefs: () => [{ source: 'file', since: 0, instances: 7, held: heldNow.value }],
    accept() {
      const { registrations = [] } = heldNow.value ?? {};
      heldNow.set(undefined);
      return registrations;
    },
    removing: (_, removal) => announced.push(removal),
    problems: () => problemsNow.value,
    nodes: () => nodesNow.value,
    ask: () => Promise.resolve(undefined),
    askedAt: () => undefined,
    plan: () => undefined,
    fleet,
    registry,
    hearing,
    stale: new Latest(false),
    registries,
    write: 'file',
    allowedTargets: ['0.0.0.0/0', '::/0', '!169.254.0.0/16'],
    metrics: createMetrics(),
    version: '0.1.0',
  };
}

const running: Admin[] = [];
const steering: Rollouts[] = [];

const folders: string[] = [];

/** On a free port of loopback, where everybody is admin; its audit log in a folder of its own. */
export function optionsFor(changes: Partial<AdminOptions> = {}): AdminOptions {
  const folder = mkdtempSync(join(tmpdir(), 'mcpx-admin-'));
  folders.push(folder);
  return {
    admin: { host: '127.0.0.1', port: 0 },
    access: { open: true, tokens: [], trustDomain: 'mcpx' },
    audit: new AuditLog(join(folder, 'audit.jsonl'), systemClock, silentLog),
    log: silentLog,
    ...changes,
  };
}

/** The URL it answers at. */
export async function startOn(
  state: AdminState,
  changes: Partial<AdminOptions> = {},
): Promise<string> {
  const started = await startAdmin(state, optionsFor(changes));
  if (!started.ok) throw new Error(started.problems[0]?.message);
  running.push(started.value);
  return `${changes.tls ? 'https' : 'http'}://127.0.0.1:${started.value.port}`;
}

/** Ends every API a test has started. */
export async function stopAll(): Promise<void> {
  await Promise.all(running.splice(0).map((admin) => admin.close()));
  await Promise.all(steering.splice(0).map((rollouts) => rollouts.close()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}
