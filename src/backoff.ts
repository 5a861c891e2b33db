/** How long to wait before trying again what failed: growing, capped, out of step with others. */
import { setTimeout as delay } from 'node:timers/promises';

const leastMs = 100;
const mostMs = 5_000;

export class Backoff {
  #failures = 0;

  /** The next wait: between half and all of a time that doubles with every failure. */
  nextMs(): number {
    const wholeMs = Math.min(mostMs, leastMs * 2 ** this.#failures);
    this.#failures += 1;
    return wholeMs / 2 + (Math.random() * wholeMs) / 2;
  }

  /** After a success the next failure is the first again. */
  reset(): void {
    this.#failures = 0;
  }

  /** Waits out the next wait; ends at once when `signal` is aborted. */
  async wait(signal: AbortSignal): Promise<void> {
    await delay(this.nextMs(), undefined, { signal }).catch(() => undefined);
  }
}
