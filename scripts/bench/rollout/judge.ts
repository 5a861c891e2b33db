/**
 * What it costs to be judged: calls of a service whose rollout is open, held against the same
 * calls of one that has none, in turns on one MCPX. Versions and their shares are the same.
 */
import { rolloutStatus } from '../../../src/admin/rollout_schemas.js';
import { encode } from '../../../src/protos.js';
import { callLogReceiver } from '../../../src/signals/export.js';
import { CallSignals } from '../../../src/signals/signals.js';
import { eventually, type Mcpx } from '../../../test/real/parts/mcpx.js';
import { register } from '../../../test/real/parts/registering.js';
import { registration, serviceOf } from '../../../test/unit/fleet/registered.js';
import { inPhase } from '../../../test/unit/rollout/rollouts.js';
import { markdownTable } from '../../markdown_table.js';
import type { Stack } from '../../stack.js';
import { modernCall } from '../calls.js';
import { inTurns, medians, warm, type Leg, type Round } from '../legs.js';
import type { Call } from '../load.js';
import { pidsOf } from '../parts.js';
import { median } from '../xds/figures.js';
import type { Goal } from './goals.js';

type Part = 'envoy' | 'control';

export interface JudgeFigures {
  readonly plain: Round<Part>;
  readonly judged: Round<Part>;
  /** Judged to plain, of each round, of which the median: what disturbs a round disturbs both. */
  readonly ratios: { readonly callsPerSecond: number; readonly envoy: number };
  /** Calls told to the control plane, of all that were judged. */
  readonly toldShare: number;
  /** Control plane, CPU to read and count one call that it is told. */
  readonly tellingUs: number;
}

const [old, fresh] = ['1.0.0', '2.0.0'];
const connections = 16;
const seconds = 5;
/** Half of the calls to each version, for as long as it takes, whatever their latency. */
const order = {
  ...{ kind: 'canary', from: old, to: fresh, steps: [50, 100], every: '24h' },
  ...{ maxErrorRate: 0.5, maxP99: 1_000 },
};

export async function measureJudge(stack: Stack, rounds: number): Promise<JudgeFigures> {
  const mcpx = await stack.mcpx();
  const servers = [
    await stack.server('bench/answerer.js'),
    await stack.server('bench/answerer.js'),
  ];
  for (const name of ['plain', 'judged'])
    for (const [index, version] of [old, fresh].entries()) {
      const url = `http://127.0.0.1:${servers[index]?.port ?? 0}/mcp`;
      await register(mcpx, { name, version, url, era: 'modern' });
    }
  await beginRollout(mcpx, 'judged');
  const legTo = (name: string, title: string): Leg => {
    const call = modernCall(`${mcpx.gateway}/mcp/${name}`, 'forecast');
    return { title, calls: Array<Call>(connections).fill(call) };
  };
  const plain = legTo('plain', 'service without a rollout');
  const judged = legTo('judged', 'service in an open rollout');
  await warm([plain, judged]);
  const pids = pidsOf(mcpx, 'envoy', 'control');
  const toldBefore = await callsTold(mcpx, 'judged');
  // What is looked for is small: more rounds than others need.
  const measured = await inTurns([plain, judged], { seconds, rounds: 5 * rounds }, pids);
  const told = (await callsTold(mcpx, 'judged')) - toldBefore;
  const roundsOf = ({ title }: Leg) => measured.get(title) ?? [];
  const calls = roundsOf(judged).reduce((sum, round) => sum + round.callsPerSecond * seconds, 0);
  return {
    plain: medians(roundsOf(plain), pids),
    judged: medians(roundsOf(judged), pids),
    ratios: ratiosOf(roundsOf(plain), roundsOf(judged)),
    toldShare: told / calls,
    tellingUs: tellingUs(),
  };
}

async function beginRollout(mcpx: Mcpx, service: string): Promise<void> {
  await eventually(`the rollout of ${service} begins`, async () => {
    const response = await fetch(`${mcpx.admin}/v1/services/${service}/rollout`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(order),
    });
    // Until both versions were asked what they offer it is refused.
    if (!response.ok) throw new Error(await response.text());
    return true;
  });
  await eventually('Envoy holds it', async () => {
    const clusters = await (await fetch(`${mcpx.envoyAdmin}/clusters`)).text();
    return clusters.includes(`${service}@${fresh}::`);
  });
}

/** By Envoy to the control plane, of both versions. */
async function callsTold(mcpx: Mcpx, service: string): Promise<number> {
  const response = await fetch(`${mcpx.admin}/v1/services/${service}/rollout`);
  const { open, next, versions } = rolloutStatus.parse(await response.json());
  if (!open) throw new Error(`The rollout has ended, so nothing is judged: ${next.why}`);
  return versions.reduce((sum, { signals }) => sum + (signals?.calls ?? 0), 0);
}

function ratiosOf(
  plain: readonly Round<Part>[],
  judged: readonly Round<Part>[],
): JudgeFigures['ratios'] {
  const ratio = (value: (round: Round<Part>) => number): number =>
    median(judged.map((round, index) => value(round) / value(plain[index] ?? round)));
  return {
    callsPerSecond: ratio((round) => round.callsPerSecond),
    envoy: ratio(({ processorUs }) => processorUs.envoy ?? NaN),
  };
}

/** As it comes in: what a worker has gathered in a second, of which a few calls failed. */
function tellingUs(): number {
  const [batches, lines] = [1_000, 200];
  const signals = new CallSignals({ now: () => Date.now() });
  const document = inPhase('running');
  signals.follow({
    services: [{ ...serviceOf(registration()), rollout: { source: 'file', document } }],
  });
  const records = Array.from({ length: lines }, (_, index) => ({
    body: { string_value: `claims|${fresh}|200|-|${index % 50 ? '-' : 'tool_error'}|0.04|7|7` },
  }));
  const batch = encode('opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest', {
    resource_logs: [{ scope_logs: [{ log_records: records }] }],
  });
  const { answer } = callLogReceiver(signals);
  for (let turn = 0; turn < batches; turn++) answer(batch);
  const before = process.cpuUsage();
  for (let turn = 0; turn < batches; turn++) answer(batch);
  const { user, system } = process.cpuUsage(before);
  const counted = signals.of('claims', fresh, 0)?.calls;
  if (counted !== 2 * batches * lines) throw new Error(`Not all calls were counted: ${counted}`);
  return (user + system) / (batches * lines);
}

export function judgeTable({ plain, judged, ratios, toldShare, tellingUs }: JudgeFigures): string {
  const heads = [
    '',
    'calls/s',
    'p50 / p99 ms',
    'CPU Envoy µs',
    'told',
    'CPU control plane µs each',
  ];
  const row = (title: string, round: Round<Part>, ...told: readonly string[]): string[] => [
    ...[title, String(Math.round(round.callsPerSecond))],
    `${round.p50Ms.toFixed(2)} / ${round.p99Ms.toFixed(2)}`,
    ...[round.processorUs.envoy?.toFixed(1) ?? 'no /proc here', ...told],
  ];
  const part = `${(toldShare * 100).toFixed(1)} %`;
  return markdownTable(heads, [
    row('service without a rollout', plain, '0', ''),
    row('service in an open rollout', judged, part, tellingUs.toFixed(1)),
    ['ratio', `×${ratios.callsPerSecond.toFixed(2)}`, '', `×${ratios.envoy.toFixed(2)}`],
  ]);
}

export function judgeGoals({ ratios }: JudgeFigures): readonly Goal[] {
  const where = 'lane 1, one worker';
  const most = 1.1;
  return [
    { ...{ text: 'Envoy CPU a call, judged to not', where, unit: '×', most }, value: ratios.envoy },
    {
      ...{ text: 'calls/s, not judged to judged', where, unit: '×', most },
      value: 1 / ratios.callsPerSecond,
    },
  ];
}
