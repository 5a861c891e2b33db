/** `mcpx doctor`: what is wrong on this machine, and the mend. */
import { stringify } from 'yaml';
import type { Colours } from '../colours.js';
import { checks, type Finding } from './checks.js';
import type { Invocation, Run } from './command.js';
import { configFor } from './settings.js';
import { plain, table } from './table.js';
import type { Terminal } from './terminal.js';

export const doctor: Run = async (invocation) => {
  const { options, terminal } = invocation;
  if (options['config'] === true) return showConfig(invocation);
  const config = configFor(invocation);
  const findings: Finding[] = [];
  for (const check of checks) findings.push(...(await check(invocation, config)));
  const failures = findings.filter(({ state }) => state === 'failed').length;
  if (options['json']) terminal.out(JSON.stringify({ checks: findings }, undefined, 2));
  else tell(findings, terminal);
  if (failures > 0) terminal.err(terminal.colours.red(`${failures} of ${findings.length} failed.`));
  return failures > 0 ? 1 : 0;
};

/** Mends are sentences, so they stand below the table rather than in it. */
function tell(findings: readonly Finding[], terminal: Terminal): void {
  const rows = findings.map(({ state, what, found }) => [
    stateText(state, terminal.colours),
    what,
    plain(found),
  ]);
  terminal.out(table(terminal, ['', 'CHECK', 'FOUND'], rows));
  const mends = findings.flatMap(({ what, mend }) =>
    mend === undefined ? [] : [`  ${what}: ${plain(mend)}`],
  );
  if (mends.length > 0) terminal.out(`\nTo mend:\n${[...new Set(mends)].join('\n')}`);
}

function stateText(state: Finding['state'], colours: Colours): string {
  if (state === 'ok') return colours.green(state);
  return state === 'failed' ? colours.red(state) : colours.yellow(state);
}

function showConfig(invocation: Invocation): number {
  const { options, terminal } = invocation;
  const shown = withoutSecrets(configFor(invocation));
  terminal.out(options['json'] ? JSON.stringify(shown, undefined, 2) : stringify(shown).trimEnd());
  return 0;
}

/** A secret that is set is shown as set, and no more. */
function withoutSecrets(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map((inner) => withoutSecrets(inner, key));
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [name, withoutSecrets(inner, name)]),
    );
  return /token|password|secret/i.test(key) && value !== '' ? '(set, hidden)' : value;
}
