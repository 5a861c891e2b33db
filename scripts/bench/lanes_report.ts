/** `npm run bench:lanes`: reads its arguments, measures, and prints what the README can take. */
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { markdownTable } from '../markdown_table.js';
import { measureLanes, type LaneFigures, type LanesOptions } from './lanes.js';
import { machine } from './machine.js';

const usage = `npm run bench:lanes -- [--connections 16] [--seconds 5] [--rounds 3]

  --markdown   only the table and the machine, to paste
  --json       the figures and the machine as JSON`;

export async function lanes(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      connections: { type: 'string', default: '16' },
      seconds: { type: 'string', default: '5' },
      rounds: { type: 'string', default: '3' },
      markdown: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    print(usage);
    return;
  }
  const options: LanesOptions = {
    connections: countOf('connections', values.connections),
    seconds: countOf('seconds', values.seconds),
    rounds: countOf('rounds', values.rounds),
  };
  const busy = loadBefore();
  const figures = await measureLanes(options);
  if (values.json) {
    print(JSON.stringify({ machine: machine(), busy, ...options, legs: figures }, undefined, 2));
    return;
  }
  print(`${table(figures)}\n\n${conditions(options)}`);
  if (busy !== null)
    print(`\nNot to be published: the machine was busy before it began (load average ${busy}).`);
  if (!values.markdown) print(`\n${reading}`);
}

/** The load average where others have work too; null: the machine is ours. */
function loadBefore(): number | null {
  const [lastMinute = 0] = loadavg();
  return lastMinute > cpus().length / 2 ? Number(lastMinute.toFixed(1)) : null;
}

function countOf(name: string, text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count > 0 && count <= 1_000) return count;
  throw new Error(`--${name} takes a whole number from 1 to 1000, not ${text}.\n\n${usage}`);
}

const print = (text: string): void => void process.stdout.write(`${text}\n`);

/** Each figure with its ratio to the direct leg of the same era. */
function table(figures: readonly LaneFigures[]): string {
  const head = ['tools/call', 'calls/s', 'p50 ms', 'p99 ms', 'CPU Envoy', 'CPU filter service'];
  const rows = figures.map((leg) => {
    const direct = figures.find(({ title }) => title === leg.baseline) ?? leg;
    const ratio = (value: (of: LaneFigures) => number): string =>
      leg === direct ? '' : ` (×${(value(leg) / value(direct)).toFixed(2)})`;
    return [
      leg.title,
      `${Math.round(leg.callsPerSecond)}${ratio((of) => of.callsPerSecond)}`,
      `${leg.p50Ms.toFixed(2)}${ratio((of) => of.p50Ms)}`,
      `${leg.p99Ms.toFixed(2)}${ratio((of) => of.p99Ms)}`,
      ...(leg === direct
        ? ['', '']
        : [microseconds(leg.processorUs.envoy), microseconds(leg.processorUs.filter)]),
    ];
  });
  return markdownTable(head, rows);
}

const microseconds = (value: number | null): string =>
  value === null ? 'no /proc here' : `${Math.round(value)} µs`;

const conditions = ({ connections, seconds, rounds }: LanesOptions): string =>
  `${machine()}. One worker in Envoy, ${connections} connections kept alive, medians of ` +
  `${rounds} rounds of ${seconds} s a leg that took turns; in brackets the ratio to the direct ` +
  'leg of the same era; CPU is user and system time a call.';

const reading = `The server is a lean node:http answerer, not an SDK server, so that it is not what
limits the lanes. Load generator, server, Envoy and filter service share this machine's cores: with
few of them calls/s falls for want of processor, and the CPU columns say more about a lane's cost.`;
