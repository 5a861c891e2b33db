/** Tables for people: columns and a head, no borders. */
import Table from 'cli-table3';
import type { Terminal } from './terminal.js';

const chars = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
} as const;

/** `rows` may hold coloured text. Control characters that came from outside are taken out. */
export function table(
  { colours }: Terminal,
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const drawn = new Table({
    chars: { ...chars },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
    head: head.map((title) => colours.bold(title)),
  });
  for (const row of rows) drawn.push(row.map((cell) => String(cell)));
  return drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Text from outside, on one line and without anything that steers a terminal. */
export function plain(text: string): string {
  // eslint-disable-next-line no-control-regex -- these are what is to be taken out
  return text.replace(/\s+/g, ' ').replace(/[\x00-\x1f\x7f-\x9f]/g, '');
}

/** The first sentence or so: long texts would tear a table apart. */
export function brief(text: string, columnsMax = 60): string {
  const line = plain(text).trim();
  return line.length <= columnsMax ? line : `${line.slice(0, columnsMax - 1).trimEnd()}…`;
}
