/**
 * The calls of one version over time, in slices that grow coarser as they grow old, so that a
 * rollout may last for days and cost the same. Slices are laid out from the step's beginning
 * on, so that what is asked since then, or since a whole width after it, is exact.
 */
import type { Counts } from '../rollout/judge.js';
import type { FailureKind } from './outcome.js';
import { noFailures, Tally } from './tally.js';

const second = 1_000;
const minute = 60_000;
const hour = 3_600_000;

/** Up to this age (ms) slices are this wide; what is older than the last is forgotten. */
const widths = [
  { age: 2 * minute, width: second },
  { age: 2 * hour, width: minute },
  { age: 168 * hour, width: hour },
] as const;

interface Slice {
  readonly first: number;
  last: number;
  readonly tally: Tally;
}

export class History {
  /** Oldest first. */
  #slices: Slice[] = [];
  #mark = 0;

  /** A step began. */
  mark(at: number): void {
    this.#mark = at;
  }

  /** Times are ms since the epoch; one that is behind counts for the newest slice. */
  record(now: number, failure: FailureKind | undefined, milliseconds: number): void {
    let slice = this.#slices.at(-1);
    if (!slice || (now > slice.last && !this.#isOne(slice.first, now, second))) {
      slice = { first: now, last: now, tally: new Tally() };
      this.#slices.push(slice);
      this.#growOld(now);
    }
    slice.last = Math.max(slice.last, now);
    slice.tally.add(failure, milliseconds);
  }

  /** Of the slices that reach into the time since then. */
  since(time: number): Tally {
    const sum = new Tally();
    for (const { last, tally } of this.#slices) if (last >= time) sum.addAll(tally);
    return sum;
  }

  /** The same without latencies, in one pass: since each of these times, newest first. */
  countsSince(times: readonly number[]): readonly Counts[] {
    const sum = { calls: 0, failures: noFailures() };
    let left = this.#slices.length;
    return times.map((time) => {
      for (let slice = this.#slices[left - 1]; slice && slice.last >= time;) {
        sum.calls += slice.tally.calls;
        slice.tally.addFailuresTo(sum.failures);
        left -= 1;
        slice = this.#slices[left - 1];
      }
      return { calls: sum.calls, failures: { ...sum.failures } };
    });
  }

  #isOne(first: number, now: number, width: number): boolean {
    const nth = (time: number): number => Math.floor((time - this.#mark) / width);
    return nth(first) === nth(now);
  }

  #growOld(now: number): void {
    const kept: Slice[] = [];
    for (const slice of this.#slices) {
      const width = widths.find(({ age }) => now - slice.last <= age)?.width;
      if (width === undefined) continue;
      const before = kept.at(-1);
      if (before && this.#isOne(before.first, slice.first, width)) {
        before.last = slice.last;
        before.tally.addAll(slice.tally);
      } else kept.push(slice);
    }
    this.#slices = kept;
  }
}
