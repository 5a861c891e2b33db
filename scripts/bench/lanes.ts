/**
 * What each lane costs: `tools/call` straight to a lean server, and to the same
 * server through each lane of a real MCPX. The legs take turns, round after
 * round, so that what else the machine does falls on all of them alike.
 */
import { bridgeCluster } from '../../src/resources/names.js';
import { eventually, type Mcpx } from '../../test/real/parts/mcpx.js';
import { descendantsOf } from '../../test/real/parts/processes.js';
import { register } from '../../test/real/parts/registering.js';
import { onStack, type Stack } from '../stack.js';
import { legacyCall, modernCall } from './calls.js';
import { load, send, type Call } from './load.js';
import { processorMs } from './processor_time.js';

export interface LanesOptions {
  readonly connections: number;
  readonly seconds: number;
  readonly rounds: number;
}

/** Medians over the rounds. Processor time is in µs a call; null where there is no /proc. */
export interface LaneFigures {
  readonly title: string;
  /** The leg this one is to be held against. */
  readonly baseline: string;
  readonly callsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly processorUs: Readonly<Record<Part, number | null>>;
}

type Part = 'generator' | 'server' | 'envoy' | 'filter';

interface Leg {
  readonly title: string;
  readonly baseline: string;
  readonly calls: readonly Call[];
}

type Pids = Readonly<Record<Part, number>>;

type Round = Omit<LaneFigures, 'title' | 'baseline'>;

export async function measureLanes(options: LanesOptions): Promise<readonly LaneFigures[]> {
  return onStack(async (stack) => {
    const { legs, pids, bridged } = await prepare(stack, options.connections);
    for (const { calls } of legs) await load(calls, 1);
    const bridgedBefore = await bridged();
    const rounds = new Map<string, Round[]>(legs.map(({ title }) => [title, []]));
    for (let round = 1; round <= options.rounds; round++)
      for (const leg of legs) {
        process.stderr.write(`• round ${round} of ${options.rounds}, ${leg.title} …`);
        const measured = await measure(leg, options.seconds, pids);
        rounds.get(leg.title)?.push(measured);
        process.stderr.write(` ${Math.round(measured.callsPerSecond)} calls/s\n`);
      }
    if ((await bridged()) !== bridgedBefore)
      throw new Error('Calls went over the bridge (lane 3): these would be no figures of lane 2.');
    return legs.map(({ title, baseline }) => ({
      title,
      baseline,
      ...medians(rounds.get(title) ?? []),
    }));
  });
}

interface Ground {
  readonly legs: readonly Leg[];
  readonly pids: Pids;
  /** How many requests Envoy has sent to the bridge so far. */
  readonly bridged: () => Promise<string | undefined>;
}

async function prepare(stack: Stack, connections: number): Promise<Ground> {
  const server = await stack.server('bench/answerer.js');
  const mcpx = await stack.mcpx();
  const url = `http://127.0.0.1:${server.port}/mcp`;
  await register(mcpx, { name: 'modern', url, era: 'modern' });
  await register(mcpx, { name: 'legacy', url, era: 'legacy' });
  await eventually('the filter service knows the tools', async () => {
    const answered = await send(modernCall(`${mcpx.gateway}/mcp`, 'modern__forecast'));
    return answered.body.includes('"result"');
  });
  const pids = { generator: process.pid, server: server.pid, ...partsOf(mcpx) };
  const bridged = async (): Promise<string | undefined> => {
    const clusters = await (await fetch(`${mcpx.envoyAdmin}/clusters`)).text();
    return new RegExp(`^${bridgeCluster}::.*::rq_total::(\\d+)$`, 'm').exec(clusters)?.[1];
  };
  return { legs: await legsOf(url, mcpx.gateway, connections), pids, bridged };
}

async function legsOf(url: string, gateway: string, connections: number): Promise<readonly Leg[]> {
  const modern = (to: string, tool: string): readonly Call[] =>
    Array<Call>(connections).fill(modernCall(to, tool));
  const legacy = (to: string, tool: string): Promise<readonly Call[]> =>
    Promise.all(Array.from({ length: connections }, () => legacyCall(to, tool)));
  const [direct, directLegacy] = ['modern, direct', 'legacy, direct'];
  return [
    { title: direct, baseline: direct, calls: modern(url, 'forecast') },
    {
      title: 'modern, /mcp/{service} (lane 1)',
      baseline: direct,
      calls: modern(`${gateway}/mcp/modern`, 'forecast'),
    },
    {
      title: 'modern, /mcp (lane 2)',
      baseline: direct,
      calls: modern(`${gateway}/mcp`, 'modern__forecast'),
    },
    { title: directLegacy, baseline: directLegacy, calls: await legacy(url, 'forecast') },
    {
      title: 'legacy, /mcp/{service} (lane 1)',
      baseline: directLegacy,
      calls: await legacy(`${gateway}/mcp/legacy`, 'forecast'),
    },
    {
      title: 'legacy, /mcp (lane 2)',
      baseline: directLegacy,
      calls: await legacy(`${gateway}/mcp`, 'legacy__forecast'),
    },
  ];
}

/** Each has a shell around it that ends it with the supervisor: the program itself is meant. */
function partsOf(mcpx: Mcpx): Pick<Pids, 'envoy' | 'filter'> {
  const below = descendantsOf(mcpx.process.pid ?? 0);
  const pidOf = (command: RegExp): number =>
    below.find((each) => command.test(each.command))?.pid ?? 0;
  return { envoy: pidOf(/^\S*envoy\S* -c /), filter: pidOf(/^\S*node\S* \S*main\.js filter/) };
}

async function measure({ calls }: Leg, seconds: number, pids: Pids): Promise<Round> {
  const parts = Object.keys(pids) as Part[];
  const before = new Map(parts.map((part) => [part, processorMs(pids[part])]));
  const measured = await load(calls, seconds);
  const perCall = (part: Part): number | null => {
    const [earlier, later] = [before.get(part), processorMs(pids[part])];
    if (earlier === undefined || later === undefined) return null;
    return ((later - earlier) * 1_000) / measured.calls;
  };
  const quantile = (share: number): number =>
    measured.latencies[Math.ceil(measured.calls * share) - 1] ?? 0;
  return {
    callsPerSecond: measured.calls / measured.seconds,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
    processorUs: {
      generator: perCall('generator'),
      server: perCall('server'),
      envoy: perCall('envoy'),
      filter: perCall('filter'),
    },
  };
}

function medians(rounds: readonly Round[]): Round {
  const median = (value: (round: Round) => number): number => {
    const sorted = rounds.map(value).sort((a, b) => a - b);
    const middle = (sorted.length - 1) / 2;
    return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
  };
  const processor = (part: Part): number | null =>
    rounds.some(({ processorUs }) => processorUs[part] === null)
      ? null
      : median(({ processorUs }) => processorUs[part] ?? 0);
  return {
    callsPerSecond: median((round) => round.callsPerSecond),
    p50Ms: median((round) => round.p50Ms),
    p99Ms: median((round) => round.p99Ms),
    processorUs: {
      generator: processor('generator'),
      server: processor('server'),
      envoy: processor('envoy'),
      filter: processor('filter'),
    },
  };
}
