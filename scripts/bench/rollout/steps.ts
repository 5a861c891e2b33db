/** A step to every Envoy: how long until all hold the new weights, what it takes and who pays. */
import type { Stack } from '../../stack.js';
import { markdownTable } from '../../markdown_table.js';
import { benchOn, measureRound, type Corner } from '../xds/measure.js';
import { median } from '../xds/figures.js';
import type { Goal } from './goals.js';

/** What the client fleet says of many steps, one after the other. */
interface Stepping {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** p99 over the clients of each step, of which the median: one slow step decides nothing. */
  readonly eachP99Ms: number;
  /** Until the last client has it. */
  readonly lastMs: number;
  readonly processorMs: number;
  readonly bytesPerClient: number;
  readonly resourcesPerClient: number;
  readonly peakMiB: number;
}

export interface StepFigures {
  readonly corners: readonly (Corner & Stepping)[];
  readonly pinned: boolean;
}

const rollouts = 50;
const steps = 60;

const corners: readonly Corner[] = [
  { services: 500, clients: 100, rollouts },
  { services: 500, clients: 1_000, rollouts },
];

export async function measureSteps(stack: Stack, rounds: number): Promise<StepFigures> {
  const bench = benchOn(stack);
  const measured: (Corner & Stepping)[] = [];
  for (const corner of corners) {
    const taken: Stepping[] = [];
    for (let round = 1; round <= rounds; round++) {
      const { services, clients } = corner;
      process.stderr.write(`• steps: ${services} services, ${clients} clients, round ${round} …`);
      const told = await measureRound<Stepping | null>(bench, corner, 'mcpx', [`-steps=${steps}`]);
      if (!told) throw new Error('A step has not reached every client.');
      process.stderr.write(` p99 ${told.eachP99Ms.toFixed(1)} ms\n`);
      taken.push(told);
    }
    measured.push({ ...corner, ...mediansOf(taken) });
  }
  return { corners: measured, pinned: bench.pinned };
}

function mediansOf(rounds: readonly Stepping[]): Stepping {
  const of = (pick: (round: Stepping) => number): number => median(rounds.map(pick));
  return {
    count: of(({ count }) => count),
    p50Ms: of(({ p50Ms }) => p50Ms),
    p99Ms: of(({ p99Ms }) => p99Ms),
    eachP99Ms: of(({ eachP99Ms }) => eachP99Ms),
    lastMs: of(({ lastMs }) => lastMs),
    processorMs: of(({ processorMs }) => processorMs),
    bytesPerClient: of(({ bytesPerClient }) => bytesPerClient),
    resourcesPerClient: of(({ resourcesPerClient }) => resourcesPerClient),
    peakMiB: of(({ peakMiB }) => peakMiB),
  };
}

export function stepsTable({ corners: measured }: StepFigures): string {
  const heads = [
    ...['services (in a rollout) × Envoys', 'a step to an Envoy: p50 / p99 ms', 'p99 of a step ms'],
    ...['to the last ms', 'bytes to each', 'resources to each', 'server CPU ms', 'peak RSS MiB'],
  ];
  const rows = measured.map((each) => [
    `${each.services} (${each.rollouts ?? 0}) × ${each.clients}`,
    `${each.p50Ms.toFixed(1)} / ${each.p99Ms.toFixed(1)}`,
    ...[each.eachP99Ms, each.lastMs].map((ms) => ms.toFixed(1)),
    ...[String(Math.round(each.bytesPerClient)), each.resourcesPerClient.toFixed(2)],
    ...[each.processorMs.toFixed(1), String(Math.round(each.peakMiB))],
  ]);
  return markdownTable(heads, rows);
}

export function stepGoals({ corners: measured, pinned }: StepFigures): readonly Goal[] {
  const largest = measured.at(-1);
  if (!largest) return [];
  const where = `${largest.services} × ${largest.clients}`;
  return [
    {
      ...{ text: 'resources to each Envoy and step', where, unit: '', most: 1 },
      value: largest.resourcesPerClient,
    },
    {
      ...{ text: 'bytes to each Envoy and step', where, unit: ' B', most: 2_000 },
      value: largest.bytesPerClient,
    },
    {
      // Of times nothing can be said where clients and server share a core.
      ...{ text: 'a step to all, p99', where, unit: ' ms', most: 50 },
      value: pinned ? largest.eachP99Ms : undefined,
    },
  ];
}
