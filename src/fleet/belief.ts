/**
 * How far a registry is believed. What it says while it is heard is the truth;
 * what it no longer names while it is lost, or when it comes back empty, stays
 * for a while: an emptied fleet would end every session of every agent.
 */
import type { Registration } from './fleet.js';
import type { Registered } from './merge.js';

/** Registrations that are kept although the registry no longer names them. */
export interface Held {
  readonly registrations: readonly Registration[];
  readonly policies: Registered['policies'];
  /** By the clock that `believed` is asked with. */
  readonly until: number;
}

export class Belief {
  #newest: Registered | undefined;
  #believed: Registered | undefined;
  #held: Held | undefined;
  #isHeard = false;
  /** Lost since the last time it was heard. */
  #wasLost = false;
  /** Whether anything was learnt since `believed` was asked last. */
  #fresh = false;

  constructor(
    kept: Registered | undefined,
    private readonly graceMs: number,
  ) {
    this.#believed = kept;
  }

  /** What is held after it came back empty; undefined while it is believed to the letter. */
  get held(): Held | undefined {
    return this.#held;
  }

  report(report: Registered): void {
    this.#newest = report;
    this.#fresh = true;
  }

  hearing(state: 'connecting' | 'heard' | 'lost'): void {
    this.#isHeard = state === 'heard';
    this.#wasLost ||= state === 'lost';
    this.#fresh = true;
  }

  /** Undefined until it was heard, where nothing is kept of an earlier run. */
  believed(now: number): Registered | undefined {
    if (!this.#fresh && (this.#held?.until ?? Infinity) > now) return this.#believed;
    this.#fresh = false;
    if (this.#newest === undefined || !(this.#isHeard || this.#tellsNoLoss(this.#newest)))
      return this.#believed;
    if (this.#isHeard) this.#doubt(this.#newest, now);
    this.#believed = this.#withHeld(this.#newest, now);
    return this.#believed;
  }

  /** A lost registry may still say what is there; only not that something is gone. */
  #tellsNoLoss({ registrations }: Registered): boolean {
    return (
      this.#wasLost &&
      this.#believed !== undefined &&
      registrations.length >= this.#believed.registrations.length
    );
  }

  #doubt({ registrations }: Registered, now: number): void {
    const before = this.#believed;
    const emptied = registrations.length === 0 && (before?.registrations.length ?? 0) > 0;
    if (this.#wasLost && emptied && before) this.#held = { ...before, until: now + this.graceMs };
    this.#wasLost = false;
  }

  #withHeld(newest: Registered, now: number): Registered {
    if (this.#held === undefined) return newest;
    const back = new Set(newest.registrations.map(addressOf));
    const registrations = this.#held.registrations.filter((each) => !back.has(addressOf(each)));
    const { policies, until } = this.#held;
    this.#held =
      registrations.length > 0 && until > now ? { ...this.#held, registrations } : undefined;
    if (this.#held === undefined) return newest;
    return {
      ...newest,
      registrations: [...newest.registrations, ...registrations],
      policies: new Map([...policies, ...newest.policies]),
    };
  }
}

const addressOf = ({ name, host, port }: Registration): string => `${name} ${host} ${port}`;
