/**
 * How often one identity is signed for. A signature costs as much as a hundred other calls, so
 * whoever holds one certificate could keep the control plane busy with nothing else.
 */
import type { Clock } from '../clock.js';

/** A thousand sidecars of one service renew once in half a life: one in half a minute. */
const everyMs = 200;
const atOnce = 50;

export class SigningPace {
  /** Identity → until when its share is used up; there are no more than were ever signed for. */
  readonly #usedUntil = new Map<string, number>();

  constructor(private readonly clock: Clock) {}

  /** Whether it may be signed for now; then that counts. */
  allows(identity: string): boolean {
    const now = this.clock.now();
    const usedUntil = Math.max(this.#usedUntil.get(identity) ?? 0, now) + everyMs;
    if (usedUntil > now + atOnce * everyMs) return false;
    this.#usedUntil.set(identity, usedUntil);
    return true;
  }
}
