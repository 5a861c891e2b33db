/**
 * Which entries of the call log are counted. Only a sample is, and it is counted as it is, not
 * weighted by its share: whether a call is in it has nothing to do with what became of it, so
 * rates in the sample are those among all calls, and the judge may take each for one call.
 *
 * Envoy draws when an answer begins. Calls that fail without one are all told, so they are drawn
 * here, by the share at which answered calls of the same cluster were drawn at that time: counted
 * all, or weighted, they would make a version look worse the busier it is.
 */
import type { CallEntry } from '../call_log.js';

/** `batch`: what one worker of an Envoy sent at once, in its order; a worker has one share. */
export function sampleOf(batch: readonly CallEntry[], random: () => number): CallEntry[] {
  const shares = new Map<string, number>();
  const remember = ({ cluster = '', share }: CallEntry): void => {
    if (share !== undefined) shares.set(cluster, Number(share));
  };
  // Before the first that tells it the share was, as far as one knows, the same.
  batch.toReversed().forEach(remember);
  return batch.filter((entry) => {
    remember(entry);
    if (entry.share !== undefined) return true;
    // It was answered, drawn there, and not in the sample; then it broke off.
    if (entry.answeredAfter !== undefined) return false;
    // A worker with hardly any answers draws them all.
    return random() < (shares.get(entry.cluster ?? '') ?? 1);
  });
}
