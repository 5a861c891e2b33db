/**
 * Replicas of the loop on one registry held in memory, with a clock, signals and
 * lagging Envoys of the test's own. Documents are kept as JSON, as registries keep them.
 */
import { readConfig, type Config } from '../../../src/config.js';
import { failed, problem, succeeded, type Outcome } from '../../../src/errors.js';
import type { Catalogue, Fleet, Service, SourceName } from '../../../src/fleet/fleet.js';
import type { Rollout, RolloutDocument, RolloutEvent } from '../../../src/fleet/rollout.js';
import { Latest } from '../../../src/latest.js';
import { silentLog } from '../../../src/log.js';
import type { Hearing, Registry } from '../../../src/registry/registry.js';
import { isStill, textOfRollout } from '../../../src/registry/rollouts.js';
import type { Action } from '../../../src/rollout/advance.js';
import type { LaggingNode } from '../../../src/rollout/due.js';
import type { Signals } from '../../../src/rollout/judge.js';
import { Rollouts } from '../../../src/rollouts.js';
import { catalogueOf, registration, serviceOf } from '../fleet/registered.js';

/** `claims` in 1.0.0 and 2.0.0, two instances each that pass and offer the same tools. */
export function twoVersions(offers: Readonly<Record<string, Catalogue>> = {}): Service {
  const versions = { '1.0.0': catalogueOf('look'), '2.0.0': catalogueOf('look'), ...offers };
  const instances = Object.keys(versions).flatMap((version, at) =>
    [1, 2].map((nth) => registration({ version, port: 3000 + at * 10 + nth })),
  );
  const catalogue = versions['2.0.0'];
  return { ...serviceOf(...instances), probe: { catalogue, failure: undefined, versions } };
}

/** What the registry holds: a text for each service, changed by compare-and-set only. */
export class Store {
  readonly texts = new Latest<ReadonlyMap<string, string>>(new Map());

  /** Undefined: somebody else was first. */
  swap(next: RolloutDocument, expected: RolloutDocument | undefined): boolean {
    const { service } = next.current;
    if (!isStill(this.texts.value.get(service), expected)) return false;
    this.texts.set(new Map(this.texts.value).set(service, textOfRollout(next)));
    return true;
  }

  document(service = 'claims'): RolloutDocument | undefined {
    const text = this.texts.value.get(service);
    return text === undefined ? undefined : (JSON.parse(text) as RolloutDocument);
  }

  get current(): Rollout {
    const document = this.document();
    if (!document) throw new Error('no rollout');
    return document.current;
  }

  /** What happened to the newest rollout, in short. */
  get moves(): readonly RolloutEvent['what'][] {
    return this.document()?.current.events.map(({ what }) => what) ?? [];
  }
}

/** When a replica is killed: at its nth write, before the registry has it or after. */
export interface Death {
  readonly at: number;
  readonly when: 'before' | 'after';
}

export class MemoryRollouts implements Pick<Registry, 'keepRollout'> {
  writes = 0;
  dead = false;

  constructor(
    private readonly store: Store,
    private readonly death?: Death,
  ) {}

  async keepRollout(
    next: RolloutDocument,
    expected: RolloutDocument | undefined,
  ): Promise<Outcome<void>> {
    // Others may come first, as in a registry far away.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.dead) throw new Error('killed');
    const dies = ++this.writes === this.death?.at;
    this.dead = dies;
    if (dies && this.death.when === 'before') throw new Error('killed');
    const swapped = this.store.swap(next, expected);
    if (dies) throw new Error('killed');
    if (swapped) return succeeded(undefined);
    return failed(problem('write_conflict', {}, 'Somebody else changed it in between.'));
  }
}

const nobody = () => Promise.resolve(failed(problem('request_invalid', {}, 'not here')));

export const registryOf = (rollouts: Pick<Registry, 'keepRollout'>): Registry => ({
  source: 'file',
  watch: () => undefined,
  put: nobody,
  remove: nobody,
  keepRollout: (next, expected) => rollouts.keepRollout(next, expected),
  spend: nobody,
  close: () => Promise.resolve(),
});

export function anySettings(): Config {
  const read = readConfig({ env: {}, cwd: '/nonexistent' });
  if (!read.ok) throw new Error(read.problems[0]?.message);
  return read.value;
}

const settings = anySettings();

/** What a test decides: the same for all replicas. */
export class World {
  now = 1_000_000;
  readonly store = new Store();
  readonly hearing = new Latest<ReadonlyMap<SourceName, Hearing>>(
    new Map([['file', { state: 'heard' }]]),
  );
  lagging: readonly LaggingNode[] = [];
  /** Whether what is written is told only a while later, as by a real registry. */
  registryDelays = false;
  signals: Readonly<Record<string, Signals>> = {};
  readonly services = new Latest<readonly Service[]>([twoVersions()]);
  readonly #replicas: Replica[] = [];

  /** `lagging`: of the Envoys connected to this one; else all replicas see the same ones. */
  replica(death?: Death, lagging = () => this.lagging): Replica {
    const replica = new Replica(this, new MemoryRollouts(this.store, death), lagging);
    this.#replicas.push(replica);
    return replica;
  }

  hear(hearing: Hearing): void {
    this.hearing.set(new Map([['file', hearing]]));
  }

  async end(): Promise<void> {
    await Promise.all(this.#replicas.splice(0).map((replica) => replica.end()));
  }
}

export class Replica {
  readonly fleet = new Latest<Fleet>({ services: [] });
  readonly rollouts: Rollouts;
  readonly #ends: (() => void)[];

  constructor(
    world: World,
    readonly registry: MemoryRollouts,
    lagging: () => readonly LaggingNode[],
  ) {
    const { store, hearing, services } = world;
    const tell = () => {
      if (world.registryDelays) setTimeout(show, 5);
      else show();
    };
    const show = () =>
      this.fleet.set({
        services: services.value.map((service) => {
          const document = store.document(service.name);
          return { ...service, rollout: document && { source: 'file', document } };
        }),
      });
    this.#ends = [services.subscribe(tell), store.texts.subscribe(tell)];
    this.rollouts = new Rollouts({
      ...{ fleet: this.fleet, hearing, write: 'file', settings, log: silentLog },
      registries: new Map([['file', registryOf(registry)]]),
      lagging,
      signals: (_, version) => world.signals[version],
      counts: (_, version, times) => {
        const felt = world.signals[version];
        return felt && times.map(() => felt);
      },
      clock: { now: () => world.now },
    });
  }

  /** As an operator would; the problems, where it was refused. */
  async does(action: Action, acceptBreaking = false): Promise<readonly string[]> {
    const intent = { service: 'claims', action, who: 'ana', acceptBreaking };
    const proposed = this.rollouts.proposed(intent);
    const kept = proposed.ok ? await this.rollouts.keep(proposed.value) : proposed;
    return kept.ok ? [] : kept.problems.map(({ message }) => message);
  }

  /** Looks once, and waits until what it did is done. */
  async looks(): Promise<void> {
    this.rollouts.look();
    await this.rollouts.settled();
  }

  async end(): Promise<void> {
    for (const end of this.#ends) end();
    await this.rollouts.close();
  }
}

export function felt(calls: number, failed = 0): Signals {
  return {
    calls,
    failures: { http: 0, rpc: 0, tool: failed, reset: 0, timeout: 0 },
    latency: [
      { upTo: 10, calls: calls * 0.995 },
      { upTo: 100, calls: calls * 0.005 },
    ],
  };
}

/** The same of a rollout that begins, to a version that does not serve yet. */
export function towards(to: string, action: Action): Action {
  if (action.what === 'start') return { ...action, plan: { ...action.plan, to } };
  return action.what === 'stage' ? { ...action, plan: { ...action.plan, to } } : action;
}
