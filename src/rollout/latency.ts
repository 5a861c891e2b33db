/**
 * What a histogram of latencies can tell: a quantile, and how many calls took longer
 * than a time. Within a bucket calls are taken to lie evenly, so both are as sharp as
 * the buckets are; of a bucket without an end nothing is guessed.
 */

/** Calls that took longer than the bucket before and at most `upTo`; not cumulative. */
export interface LatencyBucket {
  /** ms; Infinity for the last. */
  readonly upTo: number;
  readonly calls: number;
}

/** Ascending. */
export type Latency = readonly LatencyBucket[];

export const callsIn = (latency: Latency): number =>
  latency.reduce((sum, { calls }) => sum + calls, 0);

const beginOf = (latency: Latency, index: number): number => latency[index - 1]?.upTo ?? 0;

/** ms; undefined when there are no calls or it lies in the bucket without an end. */
export function quantile(latency: Latency, share: number): number | undefined {
  const total = callsIn(latency);
  if (total === 0) return undefined;
  let left = share * total;
  for (const [index, { upTo, calls }] of latency.entries()) {
    if (calls > 0 && left <= calls) {
      const begin = beginOf(latency, index);
      return Number.isFinite(upTo) ? begin + (upTo - begin) * (left / calls) : undefined;
    }
    left -= calls;
  }
  return undefined;
}

/** Calls that took longer than `ms`, as far as that is known. */
export function callsAbove(latency: Latency, ms: number): number {
  return latency.reduce((sum, { upTo, calls }, index) => {
    const begin = beginOf(latency, index);
    if (begin >= ms) return sum + calls;
    if (upTo <= ms || !Number.isFinite(upTo)) return sum;
    return sum + calls * ((upTo - ms) / (upTo - begin));
  }, 0);
}
