/** `mcpx canary`, `mcpx bluegreen` and `mcpx rollback`: each shows what it does, then does it. */
import type { z } from 'zod';
import { rolloutPlan, rolloutStatus } from './answers.js';
import { clientOf, segment } from './client.js';
import type { ExitCode, Invocation, Run } from './command.js';
import { Failure } from './failure.js';
import { orderFrom } from './rollout_flags.js';
import { plain, table } from './table.js';
import type { Terminal } from './terminal.js';

type Plan = z.infer<typeof rolloutPlan>;

export const start: Run = (invocation) =>
  carryOut(invocation, '', orderFrom('canary', invocation.options));

export const stage: Run = (invocation) =>
  carryOut(invocation, '', orderFrom('bluegreen', invocation.options));

/** The command that moves a rollout on in one way. */
export const moving =
  (what: string): Run =>
  (invocation) => {
    const { why, acceptBreaking } = invocation.options;
    return carryOut(invocation, `/${what}`, {
      ...(why !== undefined && { why }),
      ...(acceptBreaking !== undefined && { acceptBreaking }),
    });
  };

/** What is still under way is given up; what has moved is moved back. */
const underWay: ReadonlySet<string> = new Set(['running', 'paused', 'staged']);

export const rollback: Run = async (invocation) => {
  const path = `/v1/services/${segment(invocation.arguments[0] ?? '')}/rollout`;
  const { value } = await clientOf(invocation).get(path, rolloutStatus);
  return moving(underWay.has(value.rollout.phase) ? 'abort' : 'rollback')(invocation);
};

async function carryOut(
  invocation: Invocation,
  what: string,
  body: Readonly<Record<string, unknown>>,
): Promise<ExitCode> {
  const { terminal, options } = invocation;
  const client = clientOf(invocation);
  const path = `/v1/services/${segment(invocation.arguments[0] ?? '')}/rollout${what}`;
  const asked = { method: 'POST', path: `${path}?dryRun=true`, body } as const;
  const would = await client.send(asked, rolloutPlan);
  const asJson = options['json'] === true;
  if (!asJson) terminal.out(planText(would.value, terminal));
  if (options['dryRun']) {
    if (asJson) terminal.out(would.json);
    return 0;
  }
  // What was shown is done, or nothing.
  const { seen } = would.value;
  const meant = what === '' || seen === undefined ? body : { ...body, seen };
  const doing = { method: 'POST', path, body: meant } as const;
  const done = await client.send(doing, rolloutPlan).catch((error: unknown) => {
    throw asNotDone(error);
  });
  terminal.out(asJson ? done.json : doneText(done.value));
  return 0;
}

/** After the plan is shown it must be plain that it was not carried out. */
function asNotDone(error: unknown): unknown {
  if (!(error instanceof Failure) || error.status === undefined) return error;
  const { json, status, exitCode } = error;
  return new Failure(`\nNot done: ${error.message}`, exitCode, {
    ...{ status },
    ...(json !== undefined && { json }),
  });
}

function planText(plan: Plan, terminal: Terminal): string {
  const { service, what, kind, from, to, phase, shares, drain, nodes, resources, why } = plan;
  const rows = shares.map((each) => [
    plain(each.version),
    each.from === each.to
      ? `${percent(each.to)}, as now`
      : `${percent(each.from)} → ${percent(each.to)}`,
  ]);
  const changed = resources.map((each) => `${each.kind} ${plain(each.name)} ${each.change}`);
  const phases =
    phase.from === undefined ? worded(phase.to) : `${worded(phase.from)} → ${worded(phase.to)}`;
  return [
    terminal.colours.bold(`${what}: ${kind} of ${service}, ${plain(from)} → ${plain(to)}`),
    `phase      ${phases}`,
    ...underWord('then', plan.course),
    ...underWord('warning', plan.warnings).map((line) => terminal.colours.yellow(line)),
    `Envoys     ${nodes.map(plain).join(', ') || 'none is connected'}`,
    `resources  ${changed.join(', ') || 'none changes'}`,
    ...(drain === undefined ? [] : [`drain      ${plain(drain.words)}`]),
    ...(why === '' ? [] : [`why        ${plain(why)}`]),
    ...differencesText(plan, terminal),
    '',
    table(terminal, ['VERSION', 'NEW TRAFFIC'], rows),
  ].join('\n');
}

/** One line each, of which the first has the word before it. */
const underWord = (word: string, lines: readonly string[]): readonly string[] =>
  lines.map((words, at) => (at === 0 ? word : '').padEnd(11) + plain(words));

/** What agents will find different; breaking ones stand first and out. */
function differencesText({ differences }: Plan, { colours }: Terminal): readonly string[] {
  const linesOf = (breaking: boolean) =>
    differences
      .filter((each) => each.breaking === breaking)
      .map(({ subject, words }) => `           ${plain(`${subject} ${words}`)}`);
  const lines = [...linesOf(true).map((line) => colours.red(line)), ...linesOf(false)];
  return lines.length === 0 ? [] : ['for agents', ...lines];
}

/** As people say it: `rolled back`. */
const worded = (phase: string): string => phase.replace('_', ' ');

const percent = (share: number): string => `${Math.round(share * 10) / 10} %`;

function doneText({ service, kind, to, phase }: Plan): string {
  const next =
    phase.to === 'staged'
      ? ` Try it at /mcp/${service}@${plain(to)}; \`mcpx bluegreen switch ${service}\` goes on.`
      : ` \`mcpx ${kind} status ${service}\` shows how it goes.`;
  return `\nDone: it is ${worded(phase.to)}.${next}`;
}
