/**
 * Since when a step is looked at. A fault that begins late drowns in the calls of a long good
 * step, so windows begin all along it: on grids of times since it began, of which each look
 * takes those some widths back. To look in many windows is to have many chances of finding
 * something, so each has its price: the evidence in it must be as many times stronger. Of a
 * grid's windows 1 / price sums to its part, so that all together, however long the step and
 * however often one looks, mislead as rarely as the whole step alone (Ville's inequality for
 * each, and their sum).
 */

const second = 1_000;
const minute = 60 * second;

interface Grid {
  /** ms. */
  readonly width: number;
  /** Of the chance to mislead. */
  readonly part: number;
  /** About so many windows cost the same; those after them ever more. */
  readonly alike: number;
  readonly back: readonly number[];
}

/** `signals/history` keeps calls as fine as this, for as far back as this. */
const grids: readonly Grid[] = [
  { width: 5 * second, part: 3 / 4, alike: 60, back: [0, 1, 2, 3, 4, 6, 8, 12, 16] },
  { width: minute, part: 1 / 4, alike: 10, back: [1, 2, 4, 8, 16, 32, 64, 96] },
];

export interface Start {
  /** ms since the epoch. */
  readonly at: number;
  readonly price: number;
}

/** Newest first. The step itself, from its beginning, is none of them. */
export function startsOf(stepSince: number, now: number): readonly Start[] {
  const starts = grids.flatMap((grid) => {
    const newest = Math.floor((now - stepSince) / grid.width);
    const nths = grid.back.map((widths) => newest - widths).filter((nth) => nth >= 1);
    return nths.map((nth) => ({ at: stepSince + nth * grid.width, price: priceOf(nth, grid) }));
  });
  return starts.sort((one, other) => other.at - one.at);
}

/** As 1 / (n ln² n) has a sum, beyond `alike` at most 1 / ln(alike), a price grows with n. */
const priceOf = (nth: number, { part, alike }: Grid): number =>
  ((nth + alike) * Math.log(nth + alike) ** 2) / (Math.log(alike) * part);
