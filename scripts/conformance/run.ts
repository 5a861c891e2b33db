/**
 * The legs of `npm run conformance`: the official suite against our reference
 * server, first at its own address, then at `/mcp/{service}` of a whole MCPX,
 * where in the legacy era two replicas must look like one server.
 */
import { register } from '../../test/real/parts/registering.js';
import { onStack, type Stack } from '../stack.js';
import {
  differing,
  everyScenario,
  notPassedDirectly,
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
  const comparisons = await onStack(async (stack) => {
    const addresses = await prepare(stack);
    const done: Comparison[] = [];
    for (const selection of chosen) done.push(await compare(selection, addresses));
    await showSpread(addresses);
    return done;
  });
  print(comparisons, all);
  return comparisons.some((each) => worseThanDirect(each).length > 0) ? 1 : 0;
}

interface Addresses {
  readonly direct: string;
  readonly gateway: string;
  readonly envoyAdmin: string;
}

/** The suite's DNS rebinding scenario takes no other name. */
const host = 'localhost';

const one = 'reference';
const two = 'replicated';

/**
 * The servers behind the gateway take any Host and Origin: where the suite comes
 * with foreign ones, it must be the gateway that refuses.
 */
async function prepare(stack: Stack): Promise<Addresses> {
  const script = 'conformance/reference_server.js';
  const direct = await stack.server(script);
  const behind = [
    await stack.server(script, ['unguarded']),
    await stack.server(script, ['unguarded']),
  ];
  const mcpx = await stack.mcpx();
  const urls = behind.map(({ port }) => `http://127.0.0.1:${port}/mcp`);
  await register(mcpx, { name: one, url: urls[0] ?? '' });
  for (const url of urls) await register(mcpx, { name: two, url });
  return {
    direct: `http://${host}:${direct.port}/mcp`,
    gateway: `http://${host}:${new URL(mcpx.gateway).port}/mcp`,
    envoyAdmin: mcpx.envoyAdmin,
  };
}

async function compare(selection: Selection, { direct, gateway }: Addresses): Promise<Comparison> {
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

/** Two replicas prove nothing when one of them had no work: by Envoy's own count. */
async function showSpread({ envoyAdmin }: Addresses): Promise<void> {
  const clusters = await (await fetch(`${envoyAdmin}/clusters`)).text();
  const counts = [...clusters.matchAll(new RegExp(`^${two}::[^:]+:\\d+::rq_total::(\\d+)$`, 'gm'))];
  const requests = counts.map(([, count]) => Number(count));
  process.stderr.write(`• requests to each of the two replicas: ${requests.join(', ')}\n`);
  const used = requests.filter((count) => count > 0).length;
  if (used === 1) throw new Error('Only one of the two replicas had work: nothing was proven.');
}

function print(comparisons: readonly Comparison[], all: boolean): void {
  const say = (text: string): void => void process.stdout.write(`\n${text}\n`);
  if (all) for (const each of comparisons) say(everyScenario(each));
  const differ = comparisons.flatMap((each) => differing(each) ?? []);
  say(differ.length === 0 ? 'No check differs from the direct run.' : differ.join('\n\n'));
  for (const each of comparisons.flatMap((one) => notPassedDirectly(one) ?? [])) say(each);
  say(totals(comparisons));
  if (comparisons.some(({ selection }) => selection.revision === '2026-07-28'))
    say(
      'Not scored: what the suite runs without requiring it. Our reference server has no tasks ' +
        'extension (the SDK has none on the server side), so those fail directly too.',
    );
}
