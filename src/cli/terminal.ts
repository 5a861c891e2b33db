/** Where a command reads and writes; a test hands in its own. */
import { terminalColours, type Colours } from '../colours.js';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Terminal {
  /** Data: what a script would read. */
  out(text: string): void;
  /** Everything said about it. */
  err(text: string): void;
  readInput(): Promise<string>;
  /** Draws in the place of what it drew before; absent where no person looks. */
  readonly redraw?: (text: string) => void;
  readonly colours: Colours;
  readonly env: Environment;
  readonly cwd: string;
}

/** The terminal this process was started on. */
export function processTerminal(): Terminal {
  const { stdout, stderr, env } = process;
  for (const stream of [stdout, stderr]) stream.on('error', endsQuietly);
  return {
    out: (text) => stdout.write(`${text}\n`),
    err: (text) => stderr.write(`${text}\n`),
    readInput,
    ...(stdout.isTTY && { redraw: redrawOn(stdout) }),
    colours: terminalColours(),
    env,
    cwd: process.cwd(),
  };
}

/** Who reads has seen enough, as `head` does: nothing is wrong. */
function endsQuietly(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
}

/** Where a terminal does not say how wide it is, or says 0. */
const usualColumns = 80;

/** Lines are folded at the terminal's width: one that it wraps itself could not be drawn over. */
function redrawOn(stdout: typeof process.stdout): (text: string) => void {
  let drawn = 0;
  return (text) => {
    const columns = (stdout.columns || usualColumns) - 1;
    const lines = text.split('\n').flatMap((line) => folded(line, columns));
    const back = drawn === 0 ? '' : `\x1b[${drawn}A\r`;
    stdout.write(`${back}${lines.map((line) => `${line}\x1b[K\n`).join('')}\x1b[J`);
    drawn = lines.length;
  };
}

/** How far the words of a line are set in: `next   waits: …`. */
const hanging = ' '.repeat(7);

/** In lines of at most so many columns, broken between words; what steers colours takes none. */
export function folded(line: string, columns: number): readonly string[] {
  const lines = [''];
  let used = 0;
  // A word that is longer than a line is broken within.
  const longest = Math.max(1, columns - hanging.length);
  const parts = new RegExp(`\\x1b\\[[\\d;]*m|[^\\s\\x1b]{1,${longest}}|\\s+`, 'gu');
  for (const part of line.match(parts) ?? []) {
    const isColour = part.startsWith('\x1b');
    const width = isColour ? 0 : Array.from(part).length;
    if (used + width > columns && used > hanging.length) {
      lines.push(hanging);
      used = hanging.length;
      if (part.trim() === '') continue;
    }
    lines.push(`${lines.pop() ?? ''}${part}`);
    used += width;
  }
  return lines;
}

async function readInput(): Promise<string> {
  let text = '';
  process.stdin.setEncoding('utf8');
  for await (const chunk of process.stdin) text += String(chunk);
  return text;
}
