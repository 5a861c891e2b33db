/** What a rollout may cost, held against what was measured. */
import { markdownTable } from '../../markdown_table.js';

export interface Goal {
  readonly text: string;
  readonly where: string;
  /** Undefined: not measured. */
  readonly value: number | undefined;
  readonly most: number;
  readonly unit: string;
}

export function goalsTable(goals: readonly Goal[]): string {
  const rows = goals.map(({ text, where, value, most, unit }) => {
    const measured = value === undefined ? 'not measured' : `${rounded(value)}${unit}`;
    const verdict = value === undefined ? '–' : value <= most ? 'reached' : 'missed';
    return [text, where, `≤ ${most}${unit}`, measured, verdict];
  });
  return markdownTable(['goal', 'where', 'at most', 'measured', ''], rows);
}

const rounded = (value: number): string => String(Math.round(value * 100) / 100);
