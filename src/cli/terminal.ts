/** Where a command reads and writes; a test hands in its own. */
import pico from 'picocolors';

export type Environment = Readonly<Record<string, string | undefined>>;

export type Colours = ReturnType<typeof pico.createColors>;

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

/** The terminal this process was started on. Colours only where a person looks. */
export function processTerminal(): Terminal {
  const { stdout, stderr, env } = process;
  // A boolean: for undefined, as isTTY is of a pipe, the library would go by FORCE_COLOR.
  const seen = Boolean(stdout.isTTY && stderr.isTTY);
  const plain = (env['NO_COLOR'] ?? '') !== '';
  return {
    out: (text) => stdout.write(`${text}\n`),
    err: (text) => stderr.write(`${text}\n`),
    readInput,
    ...(stdout.isTTY && { redraw: redrawOn(stdout) }),
    colours: pico.createColors(seen && !plain),
    env,
    cwd: process.cwd(),
  };
}

/** Lines are cut at the terminal's width: a line that wraps could not be drawn over. */
function redrawOn(stdout: typeof process.stdout): (text: string) => void {
  let drawn = 0;
  return (text) => {
    const lines = text.split('\n').map((line) => cut(line, stdout.columns - 1));
    const back = drawn === 0 ? '' : `\x1b[${drawn}A\r`;
    stdout.write(`${back}${lines.map((line) => `${line}\x1b[K\n`).join('')}\x1b[J`);
    drawn = lines.length;
  };
}

/** At most so many columns; what steers colours takes none. */
export function cut(line: string, columns: number): string {
  // eslint-disable-next-line no-control-regex -- what colours begin with
  const parts = line.split(/(\x1b\[[\d;]*m)/);
  let left = columns;
  return parts
    .map((part, at) => {
      if (at % 2 === 1) return part;
      const shown = Array.from(part).slice(0, Math.max(0, left));
      left -= shown.length;
      return shown.join('');
    })
    .join('');
}

async function readInput(): Promise<string> {
  let text = '';
  process.stdin.setEncoding('utf8');
  for await (const chunk of process.stdin) text += String(chunk);
  return text;
}
