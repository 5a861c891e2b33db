/** When a service is asked again: every figure of the probe's patience in one place. */

/** How long a catalogue is believed when its server does not say. */
export const refreshMs = 60_000;
const believedMs = { least: 5_000, most: 600_000 };

/** From the least `ttlMs` of a server's answers; absent and 0 say nothing. */
export function believedFor(ttlMs: number | undefined): number {
  const told = ttlMs === undefined || !(ttlMs > 0) ? refreshMs : ttlMs;
  const bounded = Math.min(Math.max(told, believedMs.least), believedMs.most);
  // Services that were asked together are not asked together for ever.
  return bounded * (0.9 + Math.random() / 10);
}

const retryMs = { first: 500, most: 30_000 };

/** After this many failures in a row: doubling, capped, out of step with others. */
export function backoffMs(failures: number, mostMs = retryMs.most): number {
  const wholeMs = Math.min(retryMs.first * 2 ** Math.min(failures - 1, 20), mostMs);
  return wholeMs * (0.5 + Math.random() / 2);
}

const restMs = { first: 100, most: 5_000 };

/** How long a service that was just asked is left alone; `urges`: how often in a row. */
export function restAfter(urges: number): number {
  return Math.min(restMs.first * 2 ** Math.min(urges, 20), restMs.most);
}

/** A service not urged for this long after its rest is asked at once again. */
export const calmMs = 1_000;
