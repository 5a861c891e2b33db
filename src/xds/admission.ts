/**
 * How fast new streams may begin: a first answer is the whole configuration,
 * and a fleet that comes back at once must neither keep those waiting that
 * are served already, nor have all its first answers in memory together. A
 * token bucket, so many joining at once, and a queue that has an end.
 */
import type { Clock } from '../clock.js';
import type { Limits } from './limits.js';

/** One stream on its way in. */
export interface Entry {
  /** It has what it came for, or has left: the next may begin. May be called again. */
  done(): void;
}

export class Admission {
  readonly #waiting = new Set<() => void>();
  /** Who joins, since when; the oldest first. */
  readonly #joining = new Map<Entry, number>();
  #tokens: number;
  #filledAt: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly limits: Limits,
    private readonly clock: Clock,
  ) {
    this.#tokens = limits.admittedBurst;
    this.#filledAt = clock.now();
  }

  /** Begins now or in its turn; undefined: too many wait already. */
  enter(begin: () => void): Entry | undefined {
    if (this.#waiting.size >= this.limits.admissionQueue && !this.#mayBegin()) return undefined;
    const start = () => {
      this.#tokens -= 1;
      this.#joining.set(entry, this.clock.now());
      begin();
    };
    const entry = {
      done: () => {
        this.#waiting.delete(start);
        if (this.#joining.delete(entry)) this.#proceed();
      },
    };
    this.#waiting.add(start);
    this.#proceed();
    return entry;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.clear();
  }

  #proceed(): void {
    for (const start of this.#waiting) {
      if (!this.#mayBegin()) break;
      this.#waiting.delete(start);
      start();
    }
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
