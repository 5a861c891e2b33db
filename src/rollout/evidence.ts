/**
 * How strongly counts speak against "at most this share", so that one may look as
 * often as one likes: an average of likelihood ratios, each of them for one worse
 * share (a mixture sequential probability ratio test). While the share is at most
 * the one asked about, such a ratio is a supermartingale that begins at 1, and it
 * ever reaches `1 / level` with a chance of at most `level` (Ville's inequality),
 * however often it is looked at and whenever one stops. Needs nothing but logarithms.
 */

/** The worse shares, as multiples of the odds asked about: from a little to a lot. */
const multiples = [1.5, 2, 3, 5, 10, 30, 100];

/** Shares this small cannot be told from none. */
const least = 1e-4;

/** ≥ 1 / level: `hits` of `trials` are more than `share` allows, at that level. */
export function evidenceAbove(hits: number, trials: number, share: number): number {
  if (share >= 1) return 1;
  const asked = Math.max(share, least);
  const odds = asked / (1 - asked);
  const ratios = multiples.map((multiple) => {
    const worse = (multiple * odds) / (1 + multiple * odds);
    return Math.exp(
      hits * Math.log(worse / asked) + (trials - hits) * Math.log((1 - worse) / (1 - asked)),
    );
  });
  return ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
}
