/**
 * How far a registry is believed. What it says while it is heard is the truth,
 * save a sudden loss (`absences`); while it is lost, only what it still names is:
 * an emptied fleet would end every session of every agent.
 */
import { differences } from '../persistent_map.js';
import { Absences, type LossLimits } from './absences.js';
import type { PolicyOverride, Registration } from './fleet.js';
import { noGroups, regrouped, type Groups } from './groups.js';
import type { Registered } from './merge.js';
import type { RolloutDocument } from './rollout.js';

/** Instances that are served although the registry has stopped naming them. */
export interface Held {
  readonly registrations: readonly Registration[];
  /** When the last of them goes; undefined while the registry is lost. */
  readonly until: number | undefined;
  /** What was lost at once, of how many; stays as it was while some of it comes back. */
  readonly loss: { readonly registrations: readonly Registration[]; readonly of: number };
}

export type HearingState = 'connecting' | 'heard' | 'lost';

export class Belief {
  readonly #absences: Absences;
  readonly #lostPolicies = new Map<string, PolicyOverride>();
  readonly #lostRollouts = new Map<string, RolloutDocument>();
  #newest: Registered | undefined;
  /** The report that the absences were last brought up to. */
  #followed: Registered | undefined;
  /** What that report names. */
  #groups: Groups;
  #believed: Registered | undefined;
  #held: Held | undefined;
  #state: HearingState = 'connecting';
  #since: number | undefined;
  /** Not heard all along since what is believed was reported. */
  #wasLost: boolean;
  /** Whether anything was learnt since `believed` was asked last. */
  #fresh = false;

  constructor(kept: Registered | undefined, limits: LossLimits) {
    this.#absences = new Absences(limits);
    this.#believed = kept;
    this.#followed = kept;
    this.#groups = regrouped(noGroups, kept?.registrations ?? []);
    this.#wasLost = kept !== undefined;
  }

  get held(): Held | undefined {
    return this.#held;
  }

  /** Since when it is heard, or is not. */
  get since(): number | undefined {
    return this.#since;
  }

  /** How many are served. */
  get size(): number {
    return this.#believed?.registrations.length ?? 0;
  }

  /** When it is to be asked again although nothing was learnt. */
  get nextEnd(): number {
    return this.#isHeard ? this.#absences.nextEnd() : Infinity;
  }

  get #isHeard(): boolean {
    return this.#state === 'heard';
  }

  report(report: Registered): void {
    this.#newest = report;
    this.#fresh = true;
  }

  hearing(state: HearingState, now: number): void {
    if (state !== this.#state || this.#since === undefined) this.#since = now;
    this.#state = state;
    this.#wasLost ||= state === 'lost';
    this.#fresh = true;
  }

  /** The loss that is held back is real: what was held, and goes. */
  accept(): readonly Registration[] {
    this.#fresh = true;
    this.#held = undefined;
    return this.#absences.accept();
  }

  /** An operator removes a service, or an instance of it: that is no loss. */
  removing(service: string, instance: string | undefined, now: number): void {
    const own = this.#believed?.registrations.filter(
      ({ name, id }) => name === service && [undefined, id].includes(instance),
    );
    this.#absences.announce(own ?? [], now);
  }

  /** Undefined until it was heard, where nothing is kept of an earlier run. */
  believed(now: number): Registered | undefined {
    if (!this.#fresh && this.nextEnd > now) return this.#believed;
    this.#fresh = false;
    const newest = this.#newest;
    if (newest === undefined || (this.#believed === undefined && !this.#isHeard))
      return this.#believed;
    this.#follow(newest, now);
    if (this.#isHeard) {
      this.#absences.judge({ named: newest.registrations.length, wasLost: this.#wasLost }, now);
      this.#wasLost = false;
    }
    this.#held = this.#heldOf(newest);
    this.#believed = this.#withKept(newest);
    return this.#believed;
  }

  #follow(newest: Registered, now: number): void {
    const before = this.#followed;
    if (before === newest) return;
    this.#followed = newest;
    const named = this.#groups;
    this.#groups = regrouped(named, newest.registrations);
    if (before === undefined) return;
    this.#absences.follow(named, this.#groups, now);
    followLost(this.#lostPolicies, before.policies, newest.policies);
    followLost(this.#lostRollouts, before.rollouts, newest.rollouts);
  }

  #heldOf({ registrations: named }: Registered): Held | undefined {
    const registrations = this.#absences.held();
    if (registrations.length === 0) return undefined;
    const until = this.#isHeard ? this.#absences.lastEnd() : undefined;
    const known = new Set(this.#held?.registrations);
    const grows = registrations.some((each) => !known.has(each));
    const loss = { registrations, of: named.length + registrations.length };
    return { registrations, until, loss: grows ? loss : (this.#held?.loss ?? loss) };
  }

  #withKept(newest: Registered): Registered {
    const kept = this.#absences.kept();
    const services = new Set(kept.map(({ name }) => name));
    // While it is lost, a document that it no longer tells stays, whoever's it is.
    const lost: readonly Map<string, unknown>[] = [this.#lostPolicies, this.#lostRollouts];
    if (this.#isHeard)
      for (const documents of lost)
        for (const name of documents.keys()) if (!services.has(name)) documents.delete(name);
    if (kept.length === 0 && lost.every(({ size }) => size === 0)) return newest;
    return {
      ...newest,
      registrations: [...newest.registrations, ...kept],
      policies: new Map([...this.#lostPolicies, ...newest.policies]),
      rollouts: new Map([...this.#lostRollouts, ...newest.rollouts]),
    };
  }
}

/** Of what a service's own documents said, what the newest report no longer tells. */
function followLost<T>(
  lost: Map<string, T>,
  before: ReadonlyMap<string, T>,
  newest: ReadonlyMap<string, T>,
): void {
  for (const name of differences(before, newest)) {
    const document = newest.has(name) ? undefined : before.get(name);
    if (document === undefined) lost.delete(name);
    else lost.set(name, document);
  }
}
