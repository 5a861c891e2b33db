/**
 * The instances that a registry has stopped naming. A few are let go at once.
 * More than a share of all that it named, gone within seconds, looks like trouble
 * of the registry and not of the servers: those are held back, that is, still
 * served, until the registry has said the same for a while, or an operator accepts it.
 */
import type { Registration } from './fleet.js';
import { replaced } from './groups.js';

export interface LossLimits {
  /** 0 … 1: a loss of more than this share is held back; at 1 one that leaves nothing. */
  readonly share: number;
  /** A smaller loss is never held back while the registry is heard all along. */
  readonly least: number;
  /** How long the registry must go on saying so; 0 believes it at once. */
  readonly holdMs: number;
}

interface Absence {
  readonly registration: Registration;
  /** When it was missed; anew when its registry was lost meanwhile. */
  since: number;
  state: 'unjudged' | 'held' | 'let go';
  /** It had only just come: that it goes again leaves no less than there was. */
  readonly brief: boolean;
}

/** What the registry said last, and how. */
export interface Hearsay {
  /** How many it names. */
  readonly named: number;
  /** Lost since the last judgement: then any number may be missing by mistake. */
  readonly wasLost: boolean;
}

/** Losses within this time add up. */
const windowMs = 10_000;
/** Once so many are gone that it could be a sudden loss, the next ones wait for what follows. */
const settleMs = 500;
/** How long a removal that was announced may take. */
const announcedMs = 30_000;

export class Absences {
  readonly #absent = new Map<string, Absence>();
  /** Since the last judgement. */
  #newcomers: Registration[] = [];
  /** By address, who came within the window; the first comes first. */
  readonly #arrived = new Map<string, number>();
  /** What an operator has begun to remove, and until when it may go unquestioned. */
  readonly #announced = new Map<string, number>();

  constructor(private readonly limits: LossLimits) {}

  /** What the registry no longer names and is not let go. */
  kept(): readonly Registration[] {
    return this.#in('held', 'unjudged').map(({ registration }) => registration);
  }

  held(): readonly Registration[] {
    return this.#in('held').map(({ registration }) => registration);
  }

  /** When the last that is held goes, if its registry is heard until then. */
  lastEnd(): number {
    return this.#in('held').reduce((last, each) => Math.max(last, this.#endOf(each)), 0);
  }

  /** When there is something to decide again although nothing was reported. */
  nextEnd(): number {
    const waiting = this.#in('held', 'unjudged');
    return waiting.reduce((next, each) => Math.min(next, this.#endOf(each)), Infinity);
  }

  /** Takes note of what came and went from one report to the next. */
  follow(before: readonly Registration[], after: readonly Registration[], now: number): void {
    this.#forgetArrivals(now);
    const { gone, added } = replaced(before, after);
    const present = new Map(added.map((registration) => [addressOf(registration), registration]));
    for (const registration of gone) {
      const address = addressOf(registration);
      if (present.delete(address) || this.#wasAnnounced(registration, now)) continue;
      const brief = this.#arrived.delete(address);
      this.#absent.set(address, { registration, since: now, state: 'unjudged', brief });
    }
    for (const [address, registration] of present) {
      if (this.#absent.delete(address)) continue;
      this.#newcomers.push(registration);
      this.#arrived.set(address, now);
    }
  }

  /** Decides about all that is missing; only of a registry that is heard. */
  judge({ named, wasLost }: Hearsay, now: number): void {
    const { least } = this.limits;
    if (wasLost) for (const absence of this.#in('held', 'unjudged')) absence.since = now;
    for (const [address, absence] of this.#absent)
      if (this.#isOver(absence, now) || (absence.brief && !wasLost && absence.state !== 'held'))
        this.#absent.delete(address);
    if (!wasLost) this.#replace(this.#newcomers);
    this.#newcomers = [];
    const all = this.#absent.size;
    // What went while it was heard before counts only as far as losses add up.
    const unheard = wasLost ? this.kept().length : 0;
    const isSudden =
      this.#isTooMuch(unheard, named) || (all >= least && this.#isTooMuch(all, named));
    for (const absence of this.#absent.values())
      if (isSudden) absence.state = 'held';
      else if (absence.state === 'unjudged' && (all < least || this.#endOf(absence) <= now))
        absence.state = 'let go';
  }

  /** Lets go of all that is held: what they were. */
  accept(): readonly Registration[] {
    const accepted = this.held();
    for (const [address, { state }] of this.#absent)
      if (state !== 'unjudged') this.#absent.delete(address);
    return accepted;
  }

  /** These are about to be removed on purpose. */
  announce(registrations: readonly Registration[], now: number): void {
    for (const [name, until] of this.#announced) if (until <= now) this.#announced.delete(name);
    for (const registration of registrations)
      this.#announced.set(nameOf(registration), now + announcedMs);
  }

  /** Whose place a newcomer of the same service has taken is no loss, as in a deploy. */
  #replace(newcomers: readonly Registration[]): void {
    if (newcomers.length === 0) return;
    const missing = new Map<string, string[]>();
    for (const [address, { registration, state }] of this.#absent) {
      if (state === 'held') continue;
      const addresses = missing.get(registration.name) ?? [];
      addresses.push(address);
      missing.set(registration.name, addresses);
    }
    for (const { name } of newcomers) this.#absent.delete(missing.get(name)?.pop() ?? '');
  }

  #in(...states: readonly Absence['state'][]): readonly Absence[] {
    return [...this.#absent.values()].filter(({ state }) => states.includes(state));
  }

  /** One that was let go still counts for a while, and comes back when the loss turns out large. */
  #isOver(absence: Absence, now: number): boolean {
    return absence.state !== 'unjudged' && this.#endOf(absence) <= now;
  }

  #endOf({ state, since }: Absence): number {
    const longest = { unjudged: settleMs, held: Infinity, 'let go': windowMs }[state];
    return since + Math.min(longest, this.limits.holdMs);
  }

  #forgetArrivals(now: number): void {
    for (const [address, at] of this.#arrived) {
      if (now - at < windowMs) return;
      this.#arrived.delete(address);
    }
  }

  #isTooMuch(missing: number, named: number): boolean {
    const { share, holdMs } = this.limits;
    if (missing === 0 || holdMs === 0) return false;
    return named === 0 || missing > share * (named + missing);
  }

  #wasAnnounced(registration: Registration, now: number): boolean {
    const name = nameOf(registration);
    const until = this.#announced.get(name) ?? 0;
    this.#announced.delete(name);
    return until > now;
  }
}

const addressOf = ({ name, host, port }: Registration): string => `${name} ${host} ${port}`;
const nameOf = ({ name, id }: Registration): string => `${name} ${id}`;
