/**
 * The legs of `npm run conformance`: the official suite against our reference
 * server, first at its own address, then at `/mcp/{service}` of a whole MCPX,
 * where in the legacy era two replicas must look like one server.
 */
import { freePorts, startChild, whenReady, type Child } from '../../test/real/parts/child.js';
import { startMcpx, type Mcpx } from '../../test/real/parts/mcpx.js';
import { register } from '../../test/real/parts/registering.js';
import { packageFile } from '../../src/package_file.js';
import {
  differing,
  everyScenario,
  totals,
  worseThanDirect,
  type Comparison,
  type Leg,
} from './report.js';
import { runSuite, selections, type Selection } from './suite.js';

export interface ConformanceOptions {
  /** Print every scenario, not only what differs. */
  readonly all: boolean;
  /** Only selections whose title contains one of these words; none: all. */
  readonly only: readonly string[];
}

/** The exit code: 1 when the gateway is worse than the direct run anywhere. */
export async function runConformance({ all, only }: ConformanceOptions): Promise<number> {
  const chosen = selections().filter(
    ({ title }) => only.length === 0 || only.some((word) => title.includes(word)),
  );
  if (chosen.length === 0) throw new Error(`No part of the suite matches ${only.join(' ')}.`);
  const ground = await prepare();
  const comparisons: Comparison[] = [];
  try {
    for (const selection of chosen) comparisons.push(await compare(selection, ground));
  } finally {
    await ground.stop();
  }
  print(comparisons, all);
  return comparisons.some((each) => worseThanDirect(each).length > 0) ? 1 : 0;
}

interface Ground {
  readonly direct: string;
  readonly gateway: string;
  stop(): Promise<void>;
}

/** The suite's DNS rebinding scenario takes no other name. */
const host = 'localhost';

const one = 'reference';
const two = 'replicated';

async function prepare(): Promise<Ground> {
  const servers: Child[] = [];
  const addServer = async (): Promise<number> => {
    const [port = 0] = await freePorts(1);
    const server = startReferenceServer(port);
    servers.push(server);
    await whenReady(server, () => Promise.resolve(server.output().includes('ready')));
    return port;
  };
  let mcpx: Mcpx | undefined;
  const stop = async (): Promise<void> => {
    await mcpx?.stop();
    await Promise.all(servers.map((server) => server.stop()));
  };
  try {
    const ports = [await addServer(), await addServer()] as const;
    mcpx = await startMcpx();
    const urls = ports.map((port) => `http://127.0.0.1:${port}/mcp`);
    await register(mcpx, { name: one, url: urls[0] ?? '' });
    for (const url of urls) await register(mcpx, { name: two, url });
    return {
      direct: `http://${host}:${ports[0]}/mcp`,
      gateway: `http://${host}:${new URL(mcpx.gateway).port}/mcp`,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

const startReferenceServer = (port: number): Child =>
  startChild(process.execPath, [
    packageFile('dist/scripts/conformance/reference_server.js'),
    String(port),
  ]);

async function compare(selection: Selection, { direct, gateway }: Ground): Promise<Comparison> {
  const { title, revision } = selection;
  const run = async (leg: string, url: string): Promise<Leg> => {
    process.stderr.write(`• ${title}: ${leg} …`);
    const startedAt = Date.now();
    const checks = await runSuite(selection, url);
    process.stderr.write(` ${((Date.now() - startedAt) / 1_000).toFixed(1)} s\n`);
    return { title: leg, checks };
  };
  const directLeg = await run('direct', direct);
  const gatewayLegs = [await run('gateway', `${gateway}/${one}`)];
  // A modern server keeps nothing, so its replicas need no care; a session must find its own.
  if (revision === '2025-11-25')
    gatewayLegs.push(await run('gateway, 2 replicas', `${gateway}/${two}`));
  return { selection, direct: directLeg, gateway: gatewayLegs };
}

function print(comparisons: readonly Comparison[], all: boolean): void {
  const say = (text: string): void => void process.stdout.write(`\n${text}\n`);
  if (all) for (const each of comparisons) say(everyScenario(each));
  const differ = comparisons.flatMap((each) => differing(each) ?? []);
  say(differ.length === 0 ? 'No check differs from the direct run.' : differ.join('\n\n'));
  say(totals(comparisons));
  if (comparisons.some(({ selection }) => selection.revision === '2026-07-28'))
    say(
      'Not scored: what the suite runs without requiring it. Our reference server has no tasks ' +
        'extension (the SDK has none on the server side), so those fail directly too.',
    );
}
