/** `mcpx history`: everything that moved the versions of a service, the newest first. */
import { rolloutHistory } from './answers.js';
import { clientOf, segment } from './client.js';
import type { Run } from './command.js';
import { brief, plain, table } from './table.js';

export const history: Run = async (invocation) => {
  const { terminal, options } = invocation;
  const name = invocation.arguments[0] ?? '';
  const path = `/v1/services/${segment(name)}/rollouts`;
  const { value, json } = await clientOf(invocation).get(path, rolloutHistory);
  if (options['json']) {
    terminal.out(json);
    return 0;
  }
  const rows = value.rollouts.flatMap(({ kind, from, to, events }) =>
    [...events]
      .reverse()
      .map((event) => [
        ...[event.at.replace(/\.\d+Z$/, 'Z'), plain(event.who)],
        ...[`${kind} ${event.what}`, `${plain(from)} → ${plain(to)}`],
        ...[event.to.replace('_', ' '), shareText(event), brief(event.why, 100)],
      ]),
  );
  const head = ['WHEN', 'WHO', 'WHAT', 'VERSIONS', 'THEN', 'NEW', 'WHY'];
  if (rows.length > 0) terminal.out(table(terminal, head, rows));
  else terminal.err(`${name} never had a rollout.`);
  return 0;
};

const running: ReadonlySet<string> = new Set(['running', 'paused']);

/** A canary has no share only while it gets copies. */
const shareText = ({ share, to }: { readonly share: number; readonly to: string }): string =>
  `${share} %${share === 0 && running.has(to) ? ': copies only' : ''}`;
