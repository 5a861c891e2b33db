/**
 * How fast new streams may begin: a first answer is the whole configuration,
 * and a fleet that comes back at once must not keep those waiting that are
 * served already. A token bucket, with a queue that has an end.
 */
import type { Clock } from '../clock.js';
import type { Limits } from './limits.js';

export class Admission {
  readonly #waiting = new Set<() => void>();
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

  /** Begins now or in its turn. Gives the way to leave the queue; undefined: it is full. */
  enter(begin: () => void): (() => void) | undefined {
    this.#fill();
    if (this.#waiting.size === 0 && this.#tokens >= 1) {
      this.#tokens -= 1;
      begin();
      return () => undefined;
    }
    if (this.#waiting.size >= this.limits.admissionQueue) return undefined;
    this.#waiting.add(begin);
    this.#wait();
    return () => this.#waiting.delete(begin);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.clear();
  }

  #wait(): void {
    const { admittedPerSecond } = this.limits;
    const untilNext = Math.max(1, Math.ceil(((1 - this.#tokens) * 1_000) / admittedPerSecond));
    this.#timer ??= setTimeout(() => this.#proceed(), untilNext).unref();
  }

  #proceed(): void {
    this.#timer = undefined;
    this.#fill();
    for (const begin of this.#waiting) {
      if (this.#tokens < 1) break;
      this.#tokens -= 1;
      this.#waiting.delete(begin);
      begin();
    }
    if (this.#waiting.size > 0) this.#wait();
  }

  #fill(): void {
    const now = this.clock.now();
    const { admittedBurst, admittedPerSecond } = this.limits;
    const filled = this.#tokens + (Math.max(0, now - this.#filledAt) * admittedPerSecond) / 1_000;
    this.#tokens = Math.min(admittedBurst, filled);
    this.#filledAt = now;
  }
}
