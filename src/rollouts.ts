/**
 * The loop that carries rollouts on, and the way in for operators. A rollout is
 * a document in a registry: every look reads it from the fleet, asks the pure
 * state machine what is due, and writes by compare-and-set. So every replica
 * may run this loop; whoever writes first has done it, and the others see it.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from './clock.js';
import { failed, problem, reasonOf, type Outcome } from './errors.js';
import { fleetChanges, serviceNamed } from './fleet/changes.js';
import { emptyFleet } from './fleet/fleet.js';
import type { Fleet, KeptRollout, Service, SourceName } from './fleet/fleet.js';
import type { Rollout, RolloutDocument } from './fleet/rollout.js';
import type { Latest } from './latest.js';
import type { Log } from './log.js';
import type { Hearing, Registry } from './registry/registry.js';
import { renderChanges } from './resources/render.js';
import type { ResourceSettings } from './resources/settings.js';
import { apply, type Action } from './rollout/advance.js';
import { whoNeedsOld } from './rollout/depends.js';
import { isRetired } from './rollout/drain.js';
import { due, isAtLastStep, type LaggingNode, type Look, type Waiting } from './rollout/due.js';
import { passGates } from './rollout/gates.js';
import { Holds } from './rollout/holds.js';
import { judge } from './rollout/judge.js';
import type { Counts, LaterWindow, Signals, Verdict, Window } from './rollout/judge.js';
import { versionsOf } from './rollout/standing.js';
import { startsOf } from './rollout/windows.js';
import type {
  Intent,
  Proposal,
  ResourceEffect,
  RolloutStatus,
  Steering,
} from './rollout/steering.js';

/** Looked at this often while any goes on: time and signals pass without an event. */
const lookMs = 500;
/** How long a write is given to come back through the watch before it is answered all the same. */
const returnMs = 2_000;

/** What agents felt of a version since a time; undefined while nothing is known. */
export type SignalsOf = (service: string, version: string, sinceMs: number) => Signals | undefined;
/** Since each of some times, newest first. */
export type CountsOf = (
  service: string,
  version: string,
  sinceMs: readonly number[],
) => readonly Counts[] | undefined;

export interface RolloutParts {
  readonly fleet: Latest<Fleet>;
  readonly hearing: Latest<ReadonlyMap<SourceName, Hearing>>;
  readonly registries: ReadonlyMap<SourceName, Registry>;
  /** Where the rollout of a service that has none yet is kept. */
  readonly write: SourceName;
  readonly settings: ResourceSettings;
  /** Envoys connected here that do not hold what is published of this service. */
  readonly lagging: (service: string) => readonly LaggingNode[];
  readonly signals: SignalsOf;
  /** Without latencies, which takes long to sum up for many times. */
  readonly counts: CountsOf;
  /** Told of every step that nobody has asked for, once it is made. */
  readonly stepped?: (proposal: Proposal) => void;
  readonly clock: Clock;
  readonly log: Log;
}

export class Rollouts implements Steering {
  /** Services whose next state is being written. */
  readonly #writing = new Map<string, Promise<unknown>>();
  readonly #timer: NodeJS.Timeout;
  readonly #closing = new AbortController();
  readonly #unsubscribe: () => void;
  #soon: NodeJS.Immediate | undefined;
  /** Services whose rollout is open, or whose losing version drains. */
  readonly #goingOn = new Set<string>();
  readonly #holds = new Holds(randomUUID());
  #fleet = emptyFleet;

  constructor(private readonly parts: RolloutParts) {
    this.#unsubscribe = parts.fleet.subscribe((fleet) => {
      for (const { name, after } of fleetChanges(this.#fleet, fleet))
        if (after?.rollout && !isRetired(after.rollout.document.current)) this.#goingOn.add(name);
        else {
          this.#goingOn.delete(name);
          this.#holds.forget(name);
        }
      this.#fleet = fleet;
      // Not now: what is published follows the fleet, and only then can an Envoy lag behind it.
      this.#soon ??= setImmediate(() => this.look());
    });
    this.#timer = setInterval(() => this.look(), lookMs).unref();
  }

  /** What is being written is written to its end. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    clearImmediate(this.#soon);
    this.#unsubscribe();
    this.#goingOn.clear();
    this.#closing.abort();
    await this.settled();
  }

  /** Until nothing is being written. */
  async settled(): Promise<void> {
    await Promise.all(this.#writing.values());
  }

  status(name: string, here = this.parts.lagging(name)): RolloutStatus | undefined {
    const service = serviceNamed(this.parts.fleet.value, name);
    const kept = service?.rollout;
    if (!service || !kept) return undefined;
    const { document } = kept;
    const lagging = this.#laggingAnywhere(document.current, here);
    const window = this.#windowOf(document.current);
    const verdict = this.#verdictOn(document.current, window);
    const next = this.#due(service, kept, { verdict, lagging });
    return { service, document, window, verdict, next, lagging };
  }

  proposed({ service: name, action, who, acceptBreaking }: Intent): Outcome<Proposal> {
    const { fleet, clock, settings } = this.parts;
    const service = serviceNamed(fleet.value, name);
    if (!service)
      return failed(problem('not_found', { service: name }, `There is no service ${name}.`));
    const before = service.rollout?.document;
    const now = clock.now();
    const occasion = { now, who, service: name, versions: versionsOf(service) };
    const made = (done: Action) => apply(before, done, { ...occasion, id: newId(name, now) });
    const possible = made(action);
    if (!possible.ok) return possible;
    const rollout = possible.value.current;
    const { certificate, clients } = settings.gateway.tls;
    const passed = passGates({
      ...{ fleet: fleet.value, service, what: action.what, rollout, acceptBreaking },
      asksForCertificates: certificate !== '' && clients !== '',
    });
    if (!passed.ok) return passed;
    const { accepted, differences } = passed.value;
    const after = made({ ...action, why: [action.why, accepted].filter(Boolean).join(' ') });
    if (!after.ok) return after;
    const kept = { source: this.#sourceOf(service), document: after.value };
    const effects = effectsOf(service, kept, settings);
    return { ok: true, value: { service, before, after: after.value, differences, effects } };
  }

  async keep({ service, before, after }: Proposal): Promise<Outcome<RolloutDocument>> {
    const kept = await this.#write(this.#sourceOf(service), after, before);
    if (!kept.ok) return kept;
    const { id, kind, from, to, events } = after.current;
    const about = { service: service.name, rollout: id, kind, from, to };
    const { what, who, why, share, to: phase } = events.at(-1) ?? {};
    this.parts.log.info({ ...about, what, who, why, share, phase }, 'rollout went on');
    await this.#returned(after.current);
    return { ok: true, value: after };
  }

  async #write(
    source: SourceName,
    after: RolloutDocument,
    before: RolloutDocument | undefined,
  ): Promise<Outcome<void>> {
    const registry = this.parts.registries.get(source);
    const unreachable = (message: string) =>
      failed(problem('registry_unreachable', { source }, message));
    if (!registry) return unreachable(`${source} is not configured under registry.`);
    try {
      return await registry.keepRollout(after, before);
    } catch (error) {
      return unreachable(`${source} did not take the change: ${reasonOf(error)}. Try again.`);
    }
  }

  /** Carries on whatever is due now. */
  look(): void {
    this.#soon = undefined;
    for (const name of this.#goingOn) {
      if (this.#writing.has(name)) continue;
      const writing = this.#carryOn(name);
      if (writing)
        this.#writing.set(
          name,
          writing.finally(() => this.#writing.delete(name)),
        );
    }
  }

  /** Undefined where nothing is due. */
  #carryOn(name: string): Promise<void> | undefined {
    const here = this.parts.lagging(name);
    const status = this.status(name, here);
    if (!status) return undefined;
    if (status.next.what === 'wait') return this.#heldBack(status, here);
    const intent = { service: name, action: status.next, who: 'mcpx', acceptBreaking: false };
    const proposed = this.proposed(intent);
    // Refused: the state moved on between the look and now; the next look sees it.
    return proposed.ok ? this.#written(proposed.value) : undefined;
  }

  /** Tells other replicas who lags here; undefined where they know. */
  #heldBack(
    { service, document }: RolloutStatus,
    here: readonly LaggingNode[],
  ): Promise<void> | undefined {
    const { current } = document;
    const { clock, hearing, log } = this.parts;
    const source = this.#sourceOf(service);
    if (hearing.value.get(source)?.state !== 'heard') return undefined;
    const held = this.#holds.toSay(current, here, clock.now());
    if (!held) return undefined;
    const nodes = held.map(({ node }) => node);
    log.info({ service: service.name, nodes }, 'Envoys that hold a rollout back');
    const after = { ...document, current: { ...current, held } };
    // Refused: somebody was faster, and the next look sees what they have done.
    return this.#write(source, after, document).then(() => undefined);
  }

  #laggingAnywhere(rollout: Rollout, here: readonly LaggingNode[]): readonly LaggingNode[] {
    const names = new Set(here.map(({ node }) => node));
    const elsewhere = this.#holds.elsewhere(rollout, this.parts.clock.now());
    return [...here, ...elsewhere.filter(({ node }) => !names.has(node))];
  }

  async #written(proposal: Proposal): Promise<void> {
    const kept = await this.keep(proposal);
    if (kept.ok) this.parts.stepped?.(proposal);
    if (kept.ok || kept.problems.every(({ code }) => code === 'write_conflict')) return;
    const reason = kept.problems.map(({ message }) => message).join(' ');
    const service = proposal.service.name;
    this.parts.log.warn({ service, reason }, 'a rollout could not go on; it is tried again');
  }

  /** Until the fleet shows it: whoever asks next is to see what they have just done. */
  async #returned({ service, id, events }: Rollout): Promise<void> {
    const isShown = (fleet: Fleet): boolean => {
      const { current, earlier } = serviceNamed(fleet, service)?.rollout?.document ?? {};
      if (current?.id === id) return current.events.length >= events.length;
      return earlier?.some((each) => each.id === id) ?? false;
    };
    const { signal } = this.#closing;
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer);
        unsubscribe();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, returnMs);
      signal.addEventListener('abort', end);
      const unsubscribe = this.parts.fleet.subscribe((fleet) => {
        if (isShown(fleet)) queueMicrotask(end);
      });
    });
  }

  #sourceOf = ({ rollout }: Service): SourceName => rollout?.source ?? this.parts.write;

  #due(
    service: Service,
    { source, document }: KeptRollout,
    felt: Pick<Look, 'verdict' | 'lagging'>,
  ): Action | Waiting {
    const { clock, fleet, hearing } = this.parts;
    const { current, earlier } = document;
    return due(current, {
      ...{ now: clock.now(), earlier, versions: versionsOf(service), ...felt },
      oldIsNeeded: isAtLastStep(current) ? whoNeedsOld(fleet.value, current) : undefined,
      registryHeard: hearing.value.get(source)?.state === 'heard',
    });
  }

  #windowOf({ service, from, to, stepSince }: Rollout): Window | undefined {
    const { signals } = this.parts;
    const [old, fresh] = [signals(service, from, stepSince), signals(service, to, stepSince)];
    return old && fresh && { old, new: fresh };
  }

  #laterWindowsOf({ service, from, to, stepSince }: Rollout): readonly LaterWindow[] {
    const { clock, counts } = this.parts;
    const now = clock.now();
    const starts = startsOf(stepSince, now);
    const times = starts.map(({ at }) => at);
    const [old, fresh] = [counts(service, from, times), counts(service, to, times)];
    return starts.flatMap(({ at, price }, nth) => {
      const [ofOld, ofNew] = [old?.[nth], fresh?.[nth]];
      const seconds = Math.round((now - at) / 1_000);
      return ofOld && ofNew ? [{ old: ofOld, new: ofNew, seconds, price }] : [];
    });
  }

  #verdictOn(rollout: Rollout, window: Window | undefined): Verdict | undefined {
    const { limits, service, from, stepSince, events } = rollout;
    if (!limits || !window) return undefined;
    const before = this.parts.signals(service, from, events[0]?.at ?? stepSince);
    const later = this.#laterWindowsOf(rollout);
    return judge(window, limits, { later, ...(before && { before }) });
  }
}

/** Readable, and unlike any other of the service: two cannot begin in one millisecond. */
const newId = (service: string, now: number): string => `${service}-${now.toString(36)}`;

/** Which resources of an Envoy differ once the rollout is as `rollout` says. */
function effectsOf(
  service: Service,
  rollout: KeptRollout,
  settings: ResourceSettings,
): readonly ResourceEffect[] {
  const { name } = service;
  const change = { name, before: service, after: { ...service, rollout } };
  const [before, after] = [
    renderChanges([{ ...change, after: service }], { services: [service] }, settings),
    renderChanges([change], { services: [change.after] }, settings),
  ].map(rendered) as [Rendered, Rendered];
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key) => {
    const [kind = '', resource = ''] = key.split(' ');
    const [old, next] = [before.get(key), after.get(key)];
    if (old === next || (old && next?.equals(old))) return [];
    // The gateway's route is always there, and in `before` only where a rule of it changes.
    const made = old || kind === 'route' ? ('changed' as const) : ('added' as const);
    return [{ kind, name: resource, change: next ? made : ('removed' as const) }];
  });
}

type Rendered = ReadonlyMap<string, Buffer | undefined>;

/** `endpoint claims` → its bytes. */
const rendered = (changes: ReturnType<typeof renderChanges>): Rendered =>
  new Map(
    Object.entries(changes).flatMap(([kind, all]) =>
      [...all].map(([name, bytes]) => [`${kind} ${name}`, bytes] as const),
    ),
  );
