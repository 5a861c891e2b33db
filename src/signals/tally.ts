/** Calls counted: how many, how many of them failed and how, and how long they took. */
import { failureKinds, type Signals } from '../rollout/judge.js';
import type { FailureKind } from './outcome.js';

/** Each a tenth more than the one before, in whole milliseconds; a minute and more is one. */
const bounds = growing(60_000);

function growing(most: number): readonly number[] {
  const made = [1];
  for (let last = 1; last < most; made.push(last)) last = Math.ceil(last * 1.1);
  return [...made, Infinity];
}

export const noFailures = (): Record<FailureKind, number> => ({
  ...{ http: 0, rpc: 0, tool: 0, reset: 0, timeout: 0 },
});

export class Tally {
  calls = 0;
  readonly #failures = new Uint32Array(failureKinds.length);
  readonly #latency = new Uint32Array(bounds.length);

  add(failure: FailureKind | undefined, milliseconds: number): void {
    this.calls += 1;
    if (failure) bump(this.#failures, failureKinds.indexOf(failure), 1);
    bump(this.#latency, bucketOf(milliseconds), 1);
  }

  addAll(other: Tally): void {
    this.calls += other.calls;
    addEach(this.#failures, other.#failures);
    addEach(this.#latency, other.#latency);
  }

  addFailuresTo(sums: Record<FailureKind, number>): void {
    failureKinds.forEach((kind, index) => {
      sums[kind] += this.#failures[index] ?? 0;
    });
  }

  signals(): Signals {
    const failures = noFailures();
    this.addFailuresTo(failures);
    return {
      ...{ calls: this.calls, failures },
      latency: bounds.map((upTo, index) => ({ upTo, calls: this.#latency[index] ?? 0 })),
    };
  }
}

/** A plain loop: with every look hundreds of slices are summed up for each rollout. */
function addEach(counts: Uint32Array, others: Uint32Array): void {
  for (let index = 0; index < counts.length; index++)
    counts[index] = (counts[index] ?? 0) + (others[index] ?? 0);
}

function bump(counts: Uint32Array, index: number, by: number): void {
  counts[index] = (counts[index] ?? 0) + by;
}

/** The first that is long enough. */
function bucketOf(milliseconds: number): number {
  let [low, high] = [0, bounds.length - 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((bounds[middle] ?? Infinity) < milliseconds) low = middle + 1;
    else high = middle;
  }
  return low;
}
