/**
 * Keeps what happens too often from costing without bound: the first few of a
 * burst pass at once, then each waits a little longer than the one before,
 * until they come no faster than they are let through. Quiet time forgives.
 */
export interface PaceLimits {
  /** So many at once wait for nothing. */
  readonly burst: number;
  /** One is forgiven in this time: in the long run no more than one passes in it. */
  readonly forgiveMs: number;
  /** What each one too many adds to the pause. */
  readonly stepMs: number;
}

export class Pace {
  #level = 0;
  #at = 0;

  constructor(private readonly limits: PaceLimits) {}

  /** How long to pause after something has happened at `now`. */
  pauseMs(now: number): number {
    const { burst, forgiveMs, stepMs } = this.limits;
    const forgiven = (now - this.#at) / forgiveMs;
    this.#level = Math.max(0, this.#level - forgiven) + 1;
    this.#at = now;
    return Math.min(forgiveMs * 2, Math.max(0, this.#level - burst) * stepMs);
  }
}
