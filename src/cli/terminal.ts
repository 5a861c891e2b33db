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
  readonly colours: Colours;
  readonly env: Environment;
  readonly cwd: string;
}

/** The terminal this process was started on. Colours only where a person looks. */
export function processTerminal(): Terminal {
  const { stdout, stderr, env } = process;
  const plain = env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '';
  return {
    out: (text) => stdout.write(`${text}\n`),
    err: (text) => stderr.write(`${text}\n`),
    readInput,
    colours: pico.createColors(stdout.isTTY && stderr.isTTY && !plain),
    env,
    cwd: process.cwd(),
  };
}

async function readInput(): Promise<string> {
  let text = '';
  process.stdin.setEncoding('utf8');
  for await (const chunk of process.stdin) text += String(chunk);
  return text;
}
