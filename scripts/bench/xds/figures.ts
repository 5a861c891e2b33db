/** What the client fleet (`fleet/`) says of one server, and the medians over rounds of it. */

/** One thing that all clients did. */
interface Span {
  readonly ms: number;
  readonly processorMs: number;
  readonly mib: number;
  readonly resourcesPerClient: number;
}

/** Single changes, each after the one before had come to rest. */
interface Changes {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** p99 over the clients of each change, of which the median: one slow change decides nothing. */
  readonly eachP99Ms: number;
  /** Until the last client has it. */
  readonly lastMs: number;
  readonly processorMs: number;
}

/** Many changes, none of which waits for another. */
interface Flood {
  readonly count: number;
  /** Until all clients hold the last state. */
  readonly ms: number;
  readonly processorMs: number;
  readonly responsesPerClient: number;
}

/** Null: not within the limit, or not tried. */
export interface Figures {
  readonly cold: Span | null;
  readonly change: Changes | null;
  readonly burst: Flood | null;
  readonly reconnect: Span | null;
  readonly churn: Flood | null;
  readonly peakMiB: number;
}

/** Single changes with all clients good, and with every tenth of them hostile. */
export interface Hostility {
  readonly hostile: number;
  readonly without: Changes;
  readonly with: Changes;
}

/** What one service more costs. */
export interface Registering {
  readonly count: number;
  readonly lastMs: number;
  readonly processorMs: number;
  readonly bytesPerClient: number;
}

/** Figure by figure. Churn is measured once; what failed in one round has failed. */
export function mediansOf(rounds: readonly Figures[]): Figures {
  const parts = <T>(pick: (round: Figures) => T | null): T | null => {
    const all = rounds.map(pick);
    const there = all.filter((part) => part !== null);
    return there.length < all.length ? null : medianOfEach(there);
  };
  const [churn = null] = rounds.flatMap((round) => round.churn ?? []);
  return {
    cold: parts(({ cold }) => cold),
    change: parts(({ change }) => change),
    burst: parts(({ burst }) => burst),
    reconnect: parts(({ reconnect }) => reconnect),
    churn,
    peakMiB: median(rounds.map(({ peakMiB }) => peakMiB)),
  };
}

function medianOfEach<T>(all: readonly T[]): T | null {
  const [first] = all;
  if (first === undefined) return null;
  const names = Object.keys(first as object);
  const values = names.map((name) => [
    name,
    median(all.map((each) => Reflect.get(each as object, name) as number)),
  ]);
  return Object.fromEntries(values) as T;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
}
