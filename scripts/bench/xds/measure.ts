/**
 * Both servers through the same scenario, taking turns: each round has a fresh process of
 * each, the server on one core and the client fleet on another, so that neither is measured
 * with the other's work.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../../src/config.js';
import { emptyFleet } from '../../../src/fleet/fleet.js';
import { packageFile } from '../../../src/package_file.js';
import { translate } from '../../../src/translate.js';
import { onStack, type Stack } from '../../stack.js';
import { mediansOf, type Figures, type Hostility, type Registering } from './figures.js';
import { registrationsOf } from './registrations.js';

export interface Corner {
  readonly services: number;
  readonly clients: number;
  /** Services in a rollout: none unless given, and MCPX alone knows any. */
  readonly rollouts?: number;
}

/** `linear` and `snapshot` are go-control-plane over its two caches. */
export type ServerName = 'mcpx' | 'linear' | 'snapshot';

export interface Plan {
  readonly corners: readonly Corner[];
  readonly rounds: number;
  readonly churnSeconds: number;
  /** Where SnapshotCache takes part; it would take minutes elsewhere. */
  readonly snapshotCorner: Corner | undefined;
  /** Where every tenth client turns hostile. */
  readonly hostile: Corner | undefined;
  /** Fleets of how many services get more, and how many clients then look on. */
  readonly registering: readonly Corner[];
}

export interface CornerFigures extends Corner {
  readonly servers: Readonly<Partial<Record<ServerName, Figures>>>;
}

export interface RegisteringFigures extends Corner, Registering {}

export interface HostileFigures extends Corner, Hostility {}

export interface Measured {
  readonly corners: readonly CornerFigures[];
  readonly registering: readonly RegisteringFigures[];
  readonly hostile: HostileFigures | undefined;
  /** Whether server and clients had a core each. */
  readonly pinned: boolean;
}

/** SnapshotCache is known to need minutes for a burst: nobody waits for that. */
const limits: Readonly<Record<ServerName, number>> = { mcpx: 20, linear: 20, snapshot: 10 };
const registrations = 20;

export async function measure(plan: Plan): Promise<Measured> {
  return onStack(async (stack) => {
    const bench = benchOn(stack);
    const { pinned } = bench;
    const corners: CornerFigures[] = [];
    for (const corner of plan.corners) corners.push(await measureCorner(bench, corner, plan));
    const registering: RegisteringFigures[] = [];
    for (const corner of plan.registering)
      registering.push({ ...corner, ...(await measureRegistering(bench, corner)) });
    const hostile = plan.hostile && (await measureHostility(bench, plan.hostile));
    return { corners, registering, hostile, pinned };
  });
}

export interface Bench {
  readonly stack: Stack;
  readonly folder: string;
  /** Whether server and clients have a core each. */
  readonly pinned: boolean;
}

export function benchOn(stack: Stack): Bench {
  const folder = mkdtempSync(join(tmpdir(), 'mcpx-bench-'));
  // Also when we are interrupted, where no `finally` is reached.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return { stack, folder, pinned: canPin() };
}

async function measureCorner(bench: Bench, corner: Corner, plan: Plan): Promise<CornerFigures> {
  const rounds = new Map<ServerName, Figures[]>();
  for (let round = 1; round <= plan.rounds; round++) {
    const withSnapshot = round === 1 && corner === plan.snapshotCorner;
    const names: ServerName[] = ['mcpx', 'linear', ...(withSnapshot ? ['snapshot' as const] : [])];
    for (const name of names) {
      const title = `${corner.services} services, ${corner.clients} clients, ${name}`;
      process.stderr.write(`• ${title}, round ${round} of ${plan.rounds} …`);
      const begun = performance.now();
      const churn = round === 1 && name !== 'snapshot' ? plan.churnSeconds : 0;
      const figures = await measureRound<Figures>(bench, corner, name, [`-churn=${churn}s`]);
      rounds.set(name, [...(rounds.get(name) ?? []), figures]);
      const seconds = ((performance.now() - begun) / 1_000).toFixed(1);
      const cpu = figures.change?.processorMs.toFixed(1) ?? 'too many';
      process.stderr.write(` ${cpu} ms CPU a change (${seconds} s)\n`);
    }
  }
  const servers = [...rounds].map(([name, figures]) => [name, mediansOf(figures)]);
  return { ...corner, servers: Object.fromEntries(servers) as CornerFigures['servers'] };
}

async function measureRegistering(bench: Bench, corner: Corner): Promise<Registering> {
  const { services, clients } = corner;
  process.stderr.write(`• registering with ${services} services, ${clients} clients …`);
  const taken = await measureRound<Registering | null>(bench, corner, 'mcpx', [
    `-register=${registrations}`,
  ]);
  if (!taken) throw new Error(`A service registered beside ${services} others reached not all.`);
  process.stderr.write(` ${taken.processorMs.toFixed(1)} ms CPU each\n`);
  return taken;
}

async function measureHostility(bench: Bench, corner: Corner): Promise<HostileFigures> {
  const { services, clients } = corner;
  process.stderr.write(`• ${services} services, ${clients} clients, a tenth of them hostile …`);
  const taken = await measureRound<Hostility | null>(bench, corner, 'mcpx', ['-hostile']);
  if (!taken) throw new Error('A change reached not all who were not hostile.');
  const times = [taken.without, taken.with].map(({ eachP99Ms }) => eachP99Ms.toFixed(1));
  process.stderr.write(` p99 to the others ${times.join(' → ')} ms\n`);
  return { ...corner, ...taken };
}

/** A fresh server, and the client fleet against it; what the fleet says. */
export async function measureRound<T>(
  bench: Bench,
  corner: Corner,
  name: ServerName,
  flags: readonly string[],
): Promise<T> {
  const { services, clients, rollouts = 0 } = corner;
  const command = pinnedTo(0, commandOf(name, corner, bench.folder), bench.pinned);
  const server = await bench.stack.program(command);
  const { ports, pid } = server;
  try {
    const said = await output(
      pinnedTo(
        1,
        [
          programFile('fleet'),
          ...[`-discovery=127.0.0.1:${ports[0] ?? 0}`, `-control=127.0.0.1:${ports[1] ?? 0}`],
          ...[`-pid=${pid}`, `-services=${services}`, `-clients=${clients}`],
          `-rollouts=${rollouts}`,
          ...[`-limit=${limits[name]}s`, ...flags],
        ],
        bench.pinned,
      ),
    );
    return JSON.parse(said) as T;
  } finally {
    await server.stop();
  }
}

type Command = readonly [string, ...string[]];

function commandOf(name: ServerName, corner: Corner, folder: string): Command {
  if (name === 'mcpx') {
    const file = packageFile('dist/scripts/bench/xds/ours.js');
    const { services, rollouts = 0 } = corner;
    return [process.execPath, file, String(services), String(rollouts)];
  }
  const resources = writeResources(folder, corner.services);
  return [programFile('reference'), `-cache=${name}`, `-resources=${resources}`];
}

const nothingElse = { policies: new Map(), rollouts: new Map() };

/** The very bytes that MCPX sends, for the reference to hold. */
function writeResources(folder: string, services: number): string {
  const config = readConfig({ env: {}, cwd: '/nowhere' });
  if (!config.ok) throw new Error('the default configuration does not hold');
  const registered = Array.from({ length: services }, (_, service) => registrationsOf(service));
  const { snapshot } = translate({
    reports: [{ source: 'file', registrations: registered.flat(), ...nothingElse }],
    probes: new Map(),
    settings: config.value,
    previous: { fleet: emptyFleet, snapshot: undefined },
  });
  if (!snapshot) throw new Error('the services of this benchmark make no snapshot');
  const encoded = (kind: 'cluster' | 'endpoint'): string[] =>
    [...snapshot.resources[kind].values()].map(({ bytes }) => bytes.toString('base64'));
  const file = join(folder, `${services}.json`);
  const content = { clusters: encoded('cluster'), endpoints: encoded('endpoint') };
  writeFileSync(file, JSON.stringify(content));
  return file;
}

export const programFile = (name: 'reference' | 'fleet'): string =>
  join(process.env['XDS_BENCH_BIN'] ?? '', name);

function canPin(): boolean {
  return cpus().length > 1 && spawnSync('taskset', ['-c', '0,1', 'true']).status === 0;
}

const pinnedTo = (core: number, command: Command, pinned: boolean): Command =>
  pinned ? ['taskset', '-c', String(core), ...command] : command;

/** What a program prints, whole. It ends by itself, or when we do: with its stdin. */
async function output([command, ...args]: Command): Promise<string> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error('The client fleet has failed; the reason is above.');
  return said;
}
