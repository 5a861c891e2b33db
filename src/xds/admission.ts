/**
 * How fast new streams may begin: a first answer is the whole configuration,
 * and a fleet that comes back at once must neither keep those waiting that
 * are served already, nor have all its first answers in memory together. A
 * token bucket, so many joining at once, and a queue that has an end and in
 * which hosts take turns.
 */
import type { Clock } from '../clock.js';
import { FairQueue } from './fair_queue.js';
import type { Limits } from './limits.js';
import { hostOf } from './tally.js';

/** One stream on its way in. */
export interface Entry {
  /** It has what it came for, or has left: the next may begin. May be called again. */
  done(): void;
}

type Begin = (entry: Entry) => void;

export class Admission {
  readonly #waiting = new FairQueue<() => void>();
  /** Who joins, since when; the oldest first. */
  readonly #joining = new Map<Entry, number>();
  #tokens: number;
  #filledAt: number;
  #timer: NodeJS.Timeout | undefined;
  #proceeding = false;

  constructor(
    private readonly limits: Limits,
    private readonly clock: Clock,
  ) {
    this.#tokens = limits.admittedBurst;
    this.#filledAt = clock.now();
  }

  /** Begins now or in its turn; undefined: too many wait already. */
  enter(address: string, begin: Begin): Entry | undefined {
    const host = hostOf(address);
    if (this.#isFullFor(host) && !this.#mayBegin()) return undefined;
    const start = () => {
      this.#tokens -= 1;
      this.#joining.set(entry, this.clock.now());
      begin(entry);
    };
    const lanes = [host, address];
    const entry = {
      done: () => {
        this.#waiting.delete(lanes, start);
        if (this.#joining.delete(entry)) this.#proceed();
      },
    };
    this.#waiting.add(lanes, start);
    this.#proceed();
    return entry;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.clear();
  }

  /** Few hosts cannot fill it for the others: a host may always have its even share. */
  #isFullFor(host: string): boolean {
    const { admissionQueue } = this.limits;
    const isFull = this.#waiting.size >= admissionQueue;
    return isFull && this.#waiting.sizeOf(host) >= this.#waiting.evenShare(admissionQueue);
  }

  /** One that begins may be done at once, and then only makes room for the next round. */
  #proceed(): void {
    if (this.#proceeding) return;
    this.#proceeding = true;
    const { joiningAtOnce } = this.limits;
    // What they have said is read as they begin: between two rounds others have their turn.
    for (let begun = 0; begun < joiningAtOnce && this.#mayBegin(); begun++) {
      const start = this.#waiting.take();
      if (!start) break;
      start();
    }
    this.#proceeding = false;
    if (this.#waiting.size > 0) this.#timer ??= setTimeout(() => this.#again(), 10).unref();
  }

  #again(): void {
    this.#timer = undefined;
    this.#proceed();
  }

  #mayBegin(): boolean {
    this.#fill();
    // Whoever takes long gives up its place, so that a few slow ones keep nobody out.
    const since = this.clock.now() - this.limits.joiningMs;
    for (const [entry, begun] of this.#joining) {
      if (begun > since) break;
      this.#joining.delete(entry);
    }
    return this.#tokens >= 1 && this.#joining.size < this.limits.joiningAtOnce;
  }

  #fill(): void {
    const now = this.clock.now();
    const { admittedBurst, admittedPerSecond } = this.limits;
    const filled = this.#tokens + (Math.max(0, now - this.#filledAt) * admittedPerSecond) / 1_000;
    this.#tokens = Math.min(admittedBurst, filled);
    this.#filledAt = now;
  }
}
