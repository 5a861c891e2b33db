/**
 * Ways that calls can take, under load in turns, round after round, so that what else the machine
 * does falls on all of them alike.
 */
import { load, type Call } from './load.js';
import { processorMs } from './processor_time.js';
import { median } from './xds/figures.js';

export interface Leg {
  readonly title: string;
  readonly calls: readonly Call[];
}

export interface Turns {
  readonly seconds: number;
  readonly rounds: number;
}

/** Processes whose processor time counts. */
export type Pids<Part extends string> = Readonly<Record<Part, number>>;

/** One round of a leg, or the medians of several. */
export interface Round<Part extends string> {
  readonly callsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** µs a call; null where there is no /proc. */
  readonly processorUs: Readonly<Record<Part, number | null>>;
}

/** Connections, compiled code: what is there before the first round is not measured. */
export async function warm(legs: readonly Leg[]): Promise<void> {
  for (const { calls } of legs) await load(calls, 1);
}

/** The rounds of each leg, by its title. */
export async function inTurns<Part extends string>(
  legs: readonly Leg[],
  { seconds, rounds }: Turns,
  pids: Pids<Part>,
): Promise<ReadonlyMap<string, readonly Round<Part>[]>> {
  const measured = new Map<string, Round<Part>[]>(legs.map(({ title }) => [title, []]));
  // Every other round the other way round: what grows or fades favours nobody.
  for (let round = 1; round <= rounds; round++)
    for (const leg of round % 2 === 1 ? legs : legs.toReversed()) {
      process.stderr.write(`• round ${round} of ${rounds}, ${leg.title} …`);
      const figures = await measure(leg, seconds, pids);
      measured.get(leg.title)?.push(figures);
      process.stderr.write(` ${Math.round(figures.callsPerSecond)} calls/s\n`);
    }
  return measured;
}

async function measure<Part extends string>(
  { calls }: Leg,
  seconds: number,
  pids: Pids<Part>,
): Promise<Round<Part>> {
  const before = eachPart(pids, processorMs);
  const measured = await load(calls, seconds);
  const after = eachPart(pids, processorMs);
  const perCall = (_: number, part: Part): number | null => {
    const [earlier, later] = [before[part], after[part]];
    if (earlier === undefined || later === undefined) return null;
    return ((later - earlier) * 1_000) / measured.calls;
  };
  const quantile = (share: number): number =>
    measured.latencies[Math.ceil(measured.calls * share) - 1] ?? 0;
  return {
    callsPerSecond: measured.calls / measured.seconds,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
    processorUs: eachPart(pids, perCall),
  };
}

function eachPart<Part extends string, Value>(
  pids: Pids<Part>,
  value: (pid: number, part: Part) => Value,
): Record<Part, Value> {
  const parts = Object.entries<number>(pids) as [Part, number][];
  const values = parts.map(([part, pid]) => [part, value(pid, part)] as const);
  return Object.fromEntries(values) as Record<Part, Value>;
}

export function medians<Part extends string>(
  rounds: readonly Round<Part>[],
  pids: Pids<Part>,
): Round<Part> {
  const of = (value: (round: Round<Part>) => number): number => median(rounds.map(value));
  return {
    callsPerSecond: of((round) => round.callsPerSecond),
    p50Ms: of((round) => round.p50Ms),
    p99Ms: of((round) => round.p99Ms),
    processorUs: eachPart(pids, (_, part) =>
      rounds.some(({ processorUs }) => processorUs[part] === null)
        ? null
        : of(({ processorUs }) => processorUs[part] ?? 0),
    ),
  };
}
