/** `npm run bench:xds`: reads its arguments, measures, and prints what the README can take. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { packageFile } from '../../../src/package_file.js';
import { machine } from '../machine.js';
import { goalsOf } from './goals.js';
import { measure, programFile, type Corner, type Plan } from './measure.js';
import {
  conditions,
  cornersTable,
  floodsTable,
  goalsTable,
  growthTable,
  hostileTable,
  ratiosTable,
} from './tables.js';

const usage = `npm run bench:xds -- [--quick] [--rounds 2] [--corner 500x100 …] [--json]

  --quick      500x100 and 50x500 alone, one round: about a minute
  --rounds     how often each server is started anew; the figures are medians
  --corner     services x clients; may be repeated
  --json       the figures, the goals and the machine as JSON`;

const corners: readonly Corner[] = [
  { services: 50, clients: 500 },
  { services: 500, clients: 100 },
  { services: 500, clients: 500 },
  { services: 500, clients: 1000 },
  { services: 2000, clients: 500 },
];

const registering: readonly Corner[] = [
  { services: 47, clients: 1 },
  { services: 4997, clients: 1 },
  { services: 47, clients: 100 },
  { services: 4997, clients: 100 },
];

export async function xds(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      corner: { type: 'string', multiple: true, default: [] },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    print(usage);
    return;
  }
  if (process.platform !== 'linux') throw new Error('bench:xds reads /proc: it needs Linux.');
  const plan = planOf(values.quick, values.corner, values.rounds);
  const [load = 0] = loadavg();
  const measured = await measure(plan);
  const goals = goalsOf(measured);
  const told = machine([goVersion(), `go-control-plane ${referenceVersion()}`]);
  if (values.json) {
    print(JSON.stringify({ machine: told, load, plan, ...measured, goals }, undefined, 2));
    return;
  }
  print(`## Services × clients\n\n${cornersTable(measured.corners)}\n`);
  print(`## Many changes at once\n\n${floodsTable(measured.corners)}\n`);
  print(`## MCPX to LinearCache\n\n${ratiosTable(measured.corners)}\n`);
  print(`## One service more\n\n${growthTable(measured.registering)}\n`);
  if (measured.hostile) print(`## Among hostile clients\n\n${hostileTable(measured.hostile)}\n`);
  print(`## Goals\n\n${goalsTable(goals)}\n`);
  print(`${told}. ${conditions(plan, measured.pinned)}`);
  if (load > cpus().length / 2)
    print(`\nNot to be published: the machine was busy before it began (load ${load.toFixed(1)}).`);
}

function planOf(quick: boolean, wanted: readonly string[], rounds: string | undefined): Plan {
  const chosen = wanted.length > 0 ? wanted.map(cornerOf) : quick ? corners.slice(0, 2) : corners;
  const named = chosen.find(({ services, clients }) => services === 500 && clients === 100);
  return {
    corners: chosen,
    rounds: rounds === undefined ? (quick ? 1 : 2) : countOf(rounds),
    churnSeconds: quick ? 2 : 5,
    snapshotCorner: named,
    hostile: wanted.length > 0 ? undefined : named,
    registering: wanted.length > 0 ? [] : quick ? registering.slice(0, 2) : registering,
  };
}

function cornerOf(text: string): Corner {
  const [, services, clients] = /^(\d{1,4})[x×](\d{1,4})$/.exec(text) ?? [];
  if (Number(services) > 0 && Number(clients) > 0)
    return { services: Number(services), clients: Number(clients) };
  throw new Error(`--corner takes services x clients, as 500x100, not ${text}.\n\n${usage}`);
}

function countOf(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count > 0 && count <= 20) return count;
  throw new Error(`--rounds takes a whole number from 1 to 20, not ${text}.\n\n${usage}`);
}

const goVersion = (): string =>
  execFileSync(programFile('fleet'), ['-version']).toString().trim().replace('go', 'Go ');

function referenceVersion(): string {
  const modules = readFileSync(packageFile('scripts/bench/xds/go.mod'), 'utf8');
  return /go-control-plane v(\S+)/.exec(modules)?.[1] ?? 'unknown';
}

const print = (text: string): void => void process.stdout.write(`${text}\n`);
