/**
 * The instances that a registry has stopped naming. A few are let go at once.
 * More than a share of all that it named, gone within seconds, looks like trouble
 * of the registry and not of the servers: those are held back, that is, still
 * served, until the registry has said the same for a while, or an operator accepts it.
 */
import type { Registration } from './fleet.js';
import type { Groups } from './groups.js';

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
}

/** What the registry said last, and how. */
interface Hearsay {
  /** How many it names. */
  readonly named: number;
  /** Not heard all along since the last judgement: then any number may be missing by mistake. */
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
  /** How many it named within the window, and until when; falling. */
  #counts: { readonly named: number; readonly until: number }[] = [];
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
  follow(before: Groups, after: Groups, now: number): void {
    const count = before.registrations.length;
    this.#counts = this.#counts.filter(({ named }) => named > count);
    this.#counts.push({ named: count, until: now });
    for (const service of after.touched) {
      const [earlier, present] = [before.of(service), after.of(service)];
      // Whatever its id: who changes ids may register under the new ones first.
      const named = new Set(present.map(addressOf));
      for (const registration of earlier) {
        const address = addressOf(registration);
        if (present.includes(registration) || named.has(address)) continue;
        if (this.#wasAnnounced(registration, now)) continue;
        this.#absent.set(address, { registration, since: now, state: 'unjudged' });
      }
      for (const address of named) this.#absent.delete(address);
    }
  }

  /** Decides about all that is missing; only of a registry that is heard. */
  judge({ named, wasLost }: Hearsay, now: number): void {
    const { least } = this.limits;
    if (wasLost) for (const absence of this.#in('held', 'unjudged')) absence.since = now;
    for (const [address, absence] of this.#absent)
      if (this.#isOver(absence, now)) this.#absent.delete(address);
    const peak = this.#peak(named, now);
    // What was replaced, as in a deploy, or came and went, is none.
    const loss = Math.min(this.#absent.size, peak - named);
    const isSudden = loss >= least && this.#isTooMuch(loss, peak, named);
    // Nobody knows when these went; what went while it was heard, before, is not doubted with them.
    const unheard = wasLost ? this.kept().length : 0;
    const isDoubtful = unheard > 0 && this.#isTooMuch(unheard, named + unheard, named);
    for (const absence of this.#absent.values())
      if (isSudden) absence.state = 'held';
      else if (absence.state !== 'unjudged') continue;
      else if (isDoubtful) absence.state = 'held';
      else if (loss < least || this.#endOf(absence) <= now) absence.state = 'let go';
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

  /** The most that it named within the window. */
  #peak(named: number, now: number): number {
    this.#counts = this.#counts.filter(({ until }) => now - until < windowMs);
    return Math.max(named, this.#counts[0]?.named ?? 0);
  }

  #isTooMuch(missing: number, of: number, named: number): boolean {
    const { share, holdMs } = this.limits;
    return holdMs > 0 && (named === 0 || missing > share * of);
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
