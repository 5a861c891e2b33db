/** When to try again what failed: later each time, and not all at the same moment. */
import { setTimeout as sleep } from 'node:timers/promises';

const retryMs = { first: 100, max: 5_000 };

/** Ends at once when `signal` aborts. */
export async function pauseAfter(failures: number, signal: AbortSignal): Promise<void> {
  const longest = Math.min(retryMs.max, retryMs.first * 2 ** Math.min(failures - 1, 10));
  const ms = longest * (0.5 + Math.random() / 2);
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
