/** What open rollouts hold in memory, and what their calls and the judging of them burn. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { packageFile } from '../../../src/package_file.js';
import { markdownTable } from '../../markdown_table.js';
import { median } from '../xds/figures.js';
import type { Goal } from './goals.js';

/** What the process says of itself. */
export interface Held {
  /** While calls are told to it. */
  readonly rssMiB: number;
  /** What is alive after a collection: heap and buffers. */
  readonly heldBytes: number;
  /** Of a core, while calls are told to it. */
  readonly processorShare: number;
}

interface Row extends Held {
  readonly rollouts: number;
}

export interface MemoryFigures {
  readonly rows: readonly Row[];
}

const services = 500;
const callsPerSecond = 2_000;
const seconds = 6;

export async function measureMemory(rounds: number): Promise<MemoryFigures> {
  const rows: Row[] = [];
  for (const rollouts of [0, 50]) {
    const taken: Held[] = [];
    for (let round = 1; round <= rounds; round++) {
      process.stderr.write(
        `• memory: ${services} services, ${rollouts} rollouts, round ${round} …`,
      );
      const held = await oneProcess(rollouts);
      process.stderr.write(` ${Math.round(held.rssMiB)} MiB\n`);
      taken.push(held);
    }
    const of = (pick: (held: Held) => number): number => median(taken.map(pick));
    rows.push({
      rollouts,
      rssMiB: of(({ rssMiB }) => rssMiB),
      heldBytes: of(({ heldBytes }) => heldBytes),
      processorShare: of(({ processorShare }) => processorShare),
    });
  }
  return { rows };
}

async function oneProcess(rollouts: number): Promise<Held> {
  const file = packageFile('dist/scripts/bench/rollout/memory_process.js');
  const counts = [services, rollouts, callsPerSecond, seconds].map(String);
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, ['--expose-gc', file, ...counts]);
  return JSON.parse(stdout) as Held;
}

/** What one more open rollout holds. */
function bytesPerRollout({ rows: [none, some] }: MemoryFigures): number | undefined {
  if (!none || !some || some.rollouts === 0) return undefined;
  return (some.heldBytes - none.heldBytes) / some.rollouts;
}

export function memoryTable(figures: MemoryFigures): string {
  const heads = [
    ...['services', 'open rollouts', 'calls/s told', 'RSS MiB', 'held MiB', 'CPU of a core'],
    'bytes per open rollout',
  ];
  const each = bytesPerRollout(figures);
  const rows = figures.rows.map(({ rollouts, rssMiB, heldBytes, processorShare }) => [
    ...[String(services), String(rollouts), String(callsPerSecond)],
    ...[String(Math.round(rssMiB)), (heldBytes / 2 ** 20).toFixed(1)],
    `${(processorShare * 100).toFixed(1)} %`,
    rollouts === 0 || each === undefined ? '' : String(Math.round(each)),
  ]);
  return markdownTable(heads, rows);
}

/** Nothing was promised of it but that it is bounded: the most that a week's signals may take. */
export const memoryGoals = (figures: MemoryFigures): readonly Goal[] => [
  {
    ...{ text: 'held by an open rollout, a week old', where: `${services} services` },
    value: (bytesPerRollout(figures) ?? 0) / 2 ** 10,
    ...{ most: 1_024, unit: ' KiB' },
  },
];
