/**
 * What each lane costs: `tools/call` straight to a lean server, and to the same
 * server through each lane of a real MCPX.
 */
import { bridgeCluster } from '../../src/resources/names.js';
import { eventually } from '../../test/real/parts/mcpx.js';
import { register } from '../../test/real/parts/registering.js';
import { onStack, type Stack } from '../stack.js';
import { legacyCall, modernCall } from './calls.js';
import { inTurns, medians, warm, type Leg, type Pids, type Round, type Turns } from './legs.js';
import { send, type Call } from './load.js';
import { pidsOf } from './parts.js';

export interface LanesOptions extends Turns {
  readonly connections: number;
}

type Part = 'generator' | 'server' | 'envoy' | 'filter';

/** A leg that is to be held against another: straight to the server, in the same era. */
interface Lane extends Leg {
  readonly baseline: string;
}

/** Medians over the rounds. */
export type LaneFigures = Round<Part> & Pick<Lane, 'title' | 'baseline'>;

export async function measureLanes(options: LanesOptions): Promise<readonly LaneFigures[]> {
  return onStack(async (stack) => {
    const { legs, pids, bridged } = await prepare(stack, options.connections);
    await warm(legs);
    const bridgedBefore = await bridged();
    const rounds = await inTurns(legs, options, pids);
    if ((await bridged()) !== bridgedBefore)
      throw new Error('Calls went over the bridge (lane 3): these would be no figures of lane 2.');
    return legs.map(({ title, baseline }) => ({
      ...{ title, baseline },
      ...medians(rounds.get(title) ?? [], pids),
    }));
  });
}

interface Ground {
  readonly legs: readonly Lane[];
  readonly pids: Pids<Part>;
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
  const pids = { generator: process.pid, server: server.pid, ...pidsOf(mcpx, 'envoy', 'filter') };
  const bridged = async (): Promise<string | undefined> => {
    const clusters = await (await fetch(`${mcpx.envoyAdmin}/clusters`)).text();
    return new RegExp(`^${bridgeCluster}::.*::rq_total::(\\d+)$`, 'm').exec(clusters)?.[1];
  };
  return { legs: await legsOf(url, mcpx.gateway, connections), pids, bridged };
}

async function legsOf(url: string, gateway: string, connections: number): Promise<readonly Lane[]> {
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
