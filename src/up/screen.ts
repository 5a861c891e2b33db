/** What `mcpx up` shows a person: steps as they happen, then the picture. */
import Table from 'cli-table3';
import { terminalColours } from '../colours.js';

const colours = terminalColours();

const write = (text: string): void => {
  process.stdout.write(text);
};

export const screen = {
  title(text: string): void {
    write(`${colours.bold(text)}\n\n`);
  },

  /** Shows the work as done with how long it took, or as failed. */
  async step<T>(title: string, work: (note: (text: string) => void) => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    let noted = '';
    try {
      const result = await work((text) => (noted = text));
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
      write(
        `${colours.green('✓')} ${title.padEnd(16)} ${noted} ${colours.dim(`(${seconds} s)`)}\n`,
      );
      return result;
    } catch (error) {
      write(`${colours.red('✗')} ${title}\n`);
      throw error;
    }
  },

  note: (text: string): void => write(`  ${colours.dim(text)}\n`),

  heading(text: string): void {
    write(`\n${colours.bold(text)}\n`);
  },

  line(text = ''): void {
    write(`${text}\n`);
  },

  indented(text: string): void {
    for (const line of text.split('\n')) write(`    ${line}\n`);
  },

  table(rows: readonly (readonly string[])[]): void {
    const table = new Table({ chars: bare, style: { 'padding-left': 2, 'padding-right': 1 } });
    table.push(...rows.map((row) => [...row]));
    write(`${table.toString()}\n`);
  },
};

const bare = Object.fromEntries(
  [
    ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left'],
    ...['bottom-right', 'left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid', 'middle'],
  ].map((edge) => [edge, '']),
);
