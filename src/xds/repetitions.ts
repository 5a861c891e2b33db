/**
 * How often a client has said the same, so that one that says it again and
 * again fills no log: what is said the first time is news.
 */

/** Whoever says more different things than this is no news either. */
const remembered = 20;

export class Repetitions {
  readonly #times = new Map<string, number>();

  /** This time included; never 1 for what is too much to remember. */
  count(words: string): number {
    const known = this.#times.get(words) ?? (this.#times.size < remembered ? 0 : undefined);
    if (known === undefined) return Infinity;
    this.#times.set(words, known + 1);
    return known + 1;
  }
}
