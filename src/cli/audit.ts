/** `mcpx audit`: who did what, from what to what, and who was refused. */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { auditList } from './answers.js';
import { clientOf, segment } from './client.js';
import type { Run } from './command.js';
import { brief, plain, table } from './table.js';

type Line = z.infer<typeof auditList>['lines'][number];

const given = z.object({ limit: z.string().default('200'), json: z.boolean().optional() });

export const audit: Run = async (invocation) => {
  const { terminal, options } = invocation;
  const { limit, json: asJson } = given.parse(options);
  const path = `/v1/audit?limit=${segment(limit)}`;
  const { value, json } = await clientOf(invocation).get(path, auditList);
  if (asJson) {
    terminal.out(json);
    return 0;
  }
  const rows = ended(value.lines).map((line) => [
    line.at.replace(/\.\d+Z$/, 'Z'),
    plain(line.who || 'nobody known'),
    ...[line.role, plain(line.from), brief(line.what, 70)],
    outcomeOf(line),
    brief(line.outcome === 'done' ? changesOf(line) : line.reason, 100),
  ]);
  const head = ['WHEN', 'WHO', 'ROLE', 'FROM', 'WHAT', 'OUTCOME', 'CHANGED'];
  if (rows.length > 0) terminal.out(table(terminal, head, rows));
  else terminal.err('Nothing was written or refused yet.');
  return 0;
};

/** The newest first; the beginning of what has ended tells nothing more. */
function ended(lines: readonly Line[]): readonly Line[] {
  const known = new Set<string>();
  return lines.filter(({ id, outcome }) => {
    const isNew = outcome !== 'begun' || !known.has(id);
    known.add(id);
    return isNew;
  });
}

function outcomeOf({ outcome, unwritten }: Line): string {
  if (outcome === 'begun') return 'not ended';
  return unwritten > 0 ? `${outcome}, ${unwritten} more` : outcome;
}

/** `version 1.0.0 → 1.1.0, weight 100 → 50`; what was added or removed as a whole by its name. */
function changesOf({ subject, before, after }: Line): string {
  const about = Object.values(subject).join(' ');
  const [old, next] = [leavesOf(before), leavesOf(after)];
  if (old.size === 0) return `${about}: added`;
  if (next.size === 0) return `${about}: removed`;
  const changed = [...new Set([...old.keys(), ...next.keys()])].flatMap((path) => {
    const [from, to] = [old.get(path), next.get(path)];
    return isDeepStrictEqual(from, to) ? [] : [`${path} ${shown(from)} → ${shown(to)}`];
  });
  return `${about}: ${changed.join(', ') || 'as it was'}`;
}

const shown = (value: unknown): string =>
  value === undefined ? '-' : typeof value === 'string' ? value : JSON.stringify(value);

/** `traffic.timeoutMs` → what it is. */
function leavesOf(value: unknown, path = ''): Map<string, unknown> {
  if (typeof value !== 'object' || value === null)
    return new Map(value === undefined || value === null ? [] : [[path, value]]);
  return new Map(
    Object.entries(value).flatMap(([key, inner]) => [
      ...leavesOf(inner, path === '' ? key : `${path}.${key}`),
    ]),
  );
}
