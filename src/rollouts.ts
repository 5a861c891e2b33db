/**
 * The loop that carries rollouts on, and the way in for operators. A rollout is
 * a document in a registry: every look reads it from the fleet, asks the pure
 * state machine what is due, and writes by compare-and-set. So every replica
 * may run this loop; whoever writes first has done it, and the others see it.
 */
import type { Clock } from './clock.js';
import { failed, problem, type Outcome } from './errors.js';
import { serviceNamed } from './fleet/changes.js';
import type { Fleet, Service, SourceName } from './fleet/fleet.js';
import type { Rollout, RolloutDocument } from './fleet/rollout.js';
import type { Latest } from './latest.js';
import type { Log } from './log.js';
import type { Hearing, Registry } from './registry/registry.js';
import { apply, type Action } from './rollout/advance.js';
import { due, type LaggingNode, type Waiting } from './rollout/due.js';
import { judge, type Signals, type Verdict, type Window } from './rollout/judge.js';
import type { VersionFacts, Versions } from './rollout/opening.js';

/** Looked at this often while any is open: time and signals pass without an event. */
const lookMs = 500;
/** What went wrong only now must not be hidden by a long good step. */
const recentMs = 10_000;
/** And what the old version did before is all there is to compare with once it has no calls. */
const beforeMs = 600_000;

/** What agents felt of a version since a time; undefined while nothing is known. */
export type SignalsOf = (service: string, version: string, sinceMs: number) => Signals | undefined;

interface RolloutParts {
  readonly fleet: Latest<Fleet>;
  readonly hearing: Latest<ReadonlyMap<SourceName, Hearing>>;
  readonly registries: ReadonlyMap<SourceName, Registry>;
  /** Where the rollout of a service that has none yet is kept. */
  readonly write: SourceName;
  /** Envoys that do not hold what is published of this service. */
  readonly lagging: (service: string) => readonly LaggingNode[];
  readonly signals: SignalsOf;
  readonly clock: Clock;
  readonly log: Log;
}

export interface RolloutStatus {
  readonly document: RolloutDocument;
  readonly window: Window | undefined;
  readonly verdict: Verdict | undefined;
  /** What the control plane does next by itself, or why it waits. */
  readonly next: Action | Waiting;
}

export class Rollouts {
  readonly #looking = new Set<string>();
  readonly #timer: NodeJS.Timeout;
  readonly #unsubscribe: () => void;
  #open: readonly string[] = [];

  constructor(private readonly parts: RolloutParts) {
    this.#unsubscribe = parts.fleet.subscribe((fleet) => {
      this.#open = fleet.services.filter(isOpen).map(({ name }) => name);
      this.#lookAtAll();
    });
    this.#timer = setInterval(() => this.#lookAtAll(), lookMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#unsubscribe();
  }

  /** Undefined where there never was a rollout. */
  status(service: string): RolloutStatus | undefined {
    const present = serviceNamed(this.parts.fleet.value, service);
    const document = present?.rollout?.document;
    if (!present || !document) return undefined;
    const window = this.#windowOf(document.current);
    const verdict = this.#verdictOn(document.current, window);
    return { document, window, verdict, next: this.#due(present, document.current, verdict) };
  }

  /**
   * What `action` would make of the rollout as it stands: written by `keep`, shown by a dry run.
   * Problems: `not_found`, `rollout_refused`, `request_invalid`.
   */
  proposed(service: string, action: Action, who: string): Outcome<Proposal> {
    const present = serviceNamed(this.parts.fleet.value, service);
    if (!present)
      return failed(problem('not_found', { service }, `There is no service ${service}.`));
    const before = present.rollout?.document;
    const applied = apply(before, action, {
      ...{ now: this.parts.clock.now(), who, service, versions: versionsOf(present) },
      id: newId(service, this.parts.clock.now()),
    });
    return applied.ok
      ? { ok: true, value: { service: present, before, after: applied.value } }
      : applied;
  }

  /** Problems: `write_conflict` where somebody else was first, `registry_unreachable`. */
  async keep({ service, before, after }: Proposal): Promise<Outcome<RolloutDocument>> {
    const source = service.rollout?.source ?? this.parts.write;
    const registry = this.parts.registries.get(source);
    if (!registry)
      return failed(problem('registry_unreachable', { source }, `${source} is not configured.`));
    const kept = await registry.keepRollout(after, before);
    if (!kept.ok) return kept;
    const { id, kind, from, to, phase, events } = after.current;
    const last = events.at(-1);
    this.parts.log.info(
      { service: service.name, rollout: id, kind, from, to, phase, ...last },
      'rollout went on',
    );
    return { ok: true, value: after };
  }

  #lookAtAll(): void {
    for (const name of this.#open) void this.#look(name);
  }

  async #look(name: string): Promise<void> {
    const service = serviceNamed(this.parts.fleet.value, name);
    const rollout = service?.rollout?.document.current;
    if (!service || !rollout || this.#looking.has(name)) return;
    const action = this.#due(service, rollout, this.#verdictOn(rollout, this.#windowOf(rollout)));
    if (action.what === 'wait') return;
    const proposed = this.proposed(name, action, 'mcpx');
    // Refused: the state moved on between the look and now; the next look sees it.
    if (!proposed.ok) return;
    this.#looking.add(name);
    const kept = await this.keep(proposed.value);
    this.#looking.delete(name);
    if (kept.ok || kept.problems.every(({ code }) => code === 'write_conflict')) return;
    const reason = kept.problems.map(({ message }) => message).join(' ');
    this.parts.log.warn({ service: name, reason }, 'a rollout could not go on; it is tried again');
  }

  #due(service: Service, rollout: Rollout, verdict: Verdict | undefined): Action | Waiting {
    const { clock, hearing, lagging } = this.parts;
    const source = service.rollout?.source;
    return due(rollout, {
      ...{ now: clock.now(), versions: versionsOf(service), verdict },
      lagging: lagging(service.name),
      registryHeard: source !== undefined && hearing.value.get(source)?.state === 'heard',
    });
  }

  #windowOf({ service, from, to, stepSince }: Rollout, since = stepSince): Window | undefined {
    const { signals } = this.parts;
    const [old, fresh] = [signals(service, from, since), signals(service, to, since)];
    return old && fresh && { old, new: fresh };
  }

  #verdictOn(rollout: Rollout, window: Window | undefined): Verdict | undefined {
    if (!rollout.limits || !window) return undefined;
    const since = Math.max(rollout.stepSince, this.parts.clock.now() - recentMs);
    const recent = this.#windowOf(rollout, since);
    const before = this.parts.signals(rollout.service, rollout.from, rollout.stepSince - beforeMs);
    return judge(window, rollout.limits, { ...(recent && { recent }), ...(before && { before }) });
  }
}

/** A change of a service's rollout that was found possible. */
export interface Proposal {
  readonly service: Service;
  readonly before: RolloutDocument | undefined;
  readonly after: RolloutDocument;
}

const openPhases: ReadonlySet<Rollout['phase']> = new Set([
  'running',
  'paused',
  'staged',
  'switched',
]);

const isOpen = ({ rollout }: Service): boolean =>
  rollout !== undefined && openPhases.has(rollout.document.current.phase);

/** Readable, and unlike any other of the service: two cannot begin in one millisecond. */
const newId = (service: string, now: number): string => `${service}-${now.toString(36)}`;

export function versionsOf({ instances, path, probe }: Service): Versions {
  const versions = new Map<string, VersionFacts>();
  for (const { version, passing } of instances) {
    const known = versions.get(version);
    const eras = probe?.versions?.[version]?.eras ?? undefined;
    versions.set(version, {
      instances: (known?.instances ?? 0) + 1,
      passing: (known?.passing ?? 0) + (passing ? 1 : 0),
      path,
      eras,
    });
  }
  return versions;
}
