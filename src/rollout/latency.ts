/**
 * What a histogram of latencies can tell: a quantile, and how many calls took longer
 * than a time. Within a bucket the calls that took longer are taken to grow fewer as a
 * power of the time, which is how latencies end: a straight line there would put the p99
 * of wide buckets far too high. Of a bucket without an end nothing is guessed.
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

/** The smallest share of calls that histograms of so many calls can tell: half of one. */
export const resolutionOf = (...calls: readonly number[]): number => 0.5 / Math.min(...calls);

/** A bucket, and how many calls took longer than its begin and than its end. */
interface Slope {
  readonly begin: number;
  readonly end: number;
  readonly longerThanBegin: number;
  readonly longerThanEnd: number;
}

/** The buckets that hold calls. */
function slopesOf(latency: Latency, resolution: number): readonly Slope[] {
  const total = callsIn(latency);
  // No power reaches 0, and a longer call may only not have come yet.
  const least = total * resolution;
  let longer = total;
  return latency.flatMap(({ upTo, calls }, index) => {
    if (calls === 0) return [];
    const longerThanBegin = Math.max(longer, least);
    longer -= calls;
    // Nor does it begin at 0.
    const begin = latency[index - 1]?.upTo ?? upTo / 10;
    return [{ begin, end: upTo, longerThanBegin, longerThanEnd: Math.max(longer, least) }];
  });
}

/**
 * ms; undefined when there are no calls or it lies in the bucket without an end. Two histograms
 * are compared at the resolution of the smaller, or the larger would seem the faster one.
 */
export function quantile(
  latency: Latency,
  share: number,
  resolution = resolutionOf(callsIn(latency)),
): number | undefined {
  const longer = (1 - share) * callsIn(latency);
  const slopes = slopesOf(latency, resolution);
  const slope = slopes.find(({ longerThanEnd }) => longerThanEnd <= longer) ?? slopes.at(-1);
  if (!slope || !Number.isFinite(slope.end)) return undefined;
  const { begin, end, longerThanBegin, longerThanEnd } = slope;
  if (longer <= longerThanEnd) return end;
  const part = Math.log(longerThanBegin / longer) / Math.log(longerThanBegin / longerThanEnd);
  return begin * (end / begin) ** Math.max(part, 0);
}

/** Calls that took longer than `ms`, as far as that is known. */
export function callsAbove(
  latency: Latency,
  ms: number,
  resolution = resolutionOf(callsIn(latency)),
): number {
  const slope = slopesOf(latency, resolution).find(({ end }) => ms < end);
  if (!slope) return 0;
  const { begin, end, longerThanBegin, longerThanEnd } = slope;
  if (ms <= begin) return longerThanBegin;
  if (!Number.isFinite(end)) return 0;
  const part = Math.log(ms / begin) / Math.log(end / begin);
  return longerThanBegin * (longerThanEnd / longerThanBegin) ** part;
}
