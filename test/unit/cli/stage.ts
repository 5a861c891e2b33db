/** Runs the program in process, as a person would type it, and keeps what it printed. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import pico from 'picocolors';
import { runCli } from '../../../src/cli/cli.js';
import type { Actions } from '../../../src/cli/command.js';
import { failed, problem } from '../../../src/errors.js';

export interface Printed {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

export interface Setting {
  readonly actions?: Partial<Actions>;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly colours?: boolean;
  readonly cwd?: string;
  readonly redraw?: (text: string) => void;
}

const notWired = () => Promise.reject(new Error('this action is not part of the test'));

const bare: Actions = {
  up: notWired,
  serve: notWired,
  filter: notWired,
  bootstrap: notWired,
  join: notWired,
  certificateRequest: notWired,
  findEnvoy: () => Promise.resolve(failed(problem('envoy_missing', {}, 'There is no Envoy.'))),
  plan: notWired,
  portProblems: () => Promise.resolve([]),
};

export async function mcpx(words: readonly string[], setting: Setting = {}): Promise<Printed> {
  const out: string[] = [];
  const err: string[] = [];
  const exitCode = await runCli({
    arguments: words,
    version: '0.1.0',
    actions: { ...bare, ...setting.actions },
    terminal: {
      out: (text) => out.push(text),
      err: (text) => err.push(text),
      ...(setting.redraw && { redraw: setting.redraw }),
      readInput: () => Promise.resolve(setting.input ?? ''),
      colours: pico.createColors(setting.colours ?? false),
      env: setting.env ?? {},
      cwd: setting.cwd ?? '/nonexistent',
    },
  });
  return { exitCode, out: out.join('\n'), err: err.join('\n') };
}

/** Where nothing listens (a port that was just free). */
export async function closedAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const { port } = server.address() as AddressInfo;
  await new Promise((gone) => server.close(gone));
  return `http://127.0.0.1:${port}`;
}
