/**
 * A good and a bad rollout on one machine, by the commands an operator would type,
 * while agents go on calling. What is seen is what `mcpx` prints.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { rolloutStatus } from '../../src/admin/rollout_schemas.js';
import { terminalColours } from '../../src/colours.js';
import { packageFile } from '../../src/package_file.js';
import { onStack, type Stack } from '../stack.js';
import { postCall } from '../../test/real/parts/agent.js';
import { eventually, type Mcpx } from '../../test/real/parts/mcpx.js';

/** How often agents call, in all. */
const callsPerSecond = 150;
const readMs = 800;

const colours = terminalColours();
const say = (text: string): void => void process.stdout.write(`${text}\n`);

export async function demonstrate(): Promise<void> {
  await onStack(async (stack) => {
    say(colours.bold('\nShip a new version and take it back\n'));
    say('A gateway and one MCP server: claims 1.0.0. Agents call it all the time.');
    const mcpx = await stack.mcpx();
    await add(stack, mcpx, '1.0.0');
    const agents = new Agents(`${mcpx.gateway}/mcp/claims`);
    try {
      await agents.begin();
      await ship(stack, mcpx, {
        ...{ words: 'Act 1: 1.1.0 is as good as the old one.', version: '1.1.0', failing: 0 },
      });
      say(agents.tell());
      await ship(stack, mcpx, {
        ...{ words: 'Act 2: 1.2.0 fails one call in three.', version: '1.2.0', failing: 0.33 },
      });
      say(agents.tell());
      await typed(mcpx, ['history', 'claims']);
    } finally {
      await agents.end();
    }
  });
}

interface Act {
  readonly words: string;
  readonly version: string;
  /** Share of its calls. */
  readonly failing: number;
}

async function ship(stack: Stack, mcpx: Mcpx, { words, version, failing }: Act): Promise<void> {
  say(colours.bold(`\n${words}`));
  await add(stack, mcpx, version, failing);
  const limits = ['--max-error-rate', '2%', '--max-p99', '+900%', '--min-calls', '30'];
  const steps = ['--steps', '5,25,50,100', '--every', '20s'];
  const start = ['canary', 'start', 'claims', '--to', version, ...steps, ...limits];
  // It may begin once both versions were asked what they offer.
  await eventually(
    'a rollout may begin',
    async () => (await run(mcpx, [...start, '--dry-run'])) === 0,
  );
  await typed(mcpx, start);
  await delay(readMs);
  await typed(mcpx, ['canary', 'status', 'claims']);
  // A terminal draws until it ends; elsewhere it is a picture for each step.
  if (!process.stdout.isTTY) await pictures(mcpx);
}

async function pictures(mcpx: Mcpx): Promise<void> {
  for (let before = await standing(mcpx); before.open;) {
    const { step } = before;
    await eventually(
      'the rollout goes on',
      async () => {
        before = await standing(mcpx);
        return !before.open || before.step !== step;
      },
      120_000,
    );
    await delay(readMs);
    await typed(mcpx, ['canary', 'status', 'claims', '--once']);
  }
}

interface Standing {
  readonly open: boolean;
  readonly step: number;
}

async function standing({ admin }: Mcpx): Promise<Standing> {
  const answer = await fetch(`${admin}/v1/services/claims/rollout`);
  const { open, rollout } = rolloutStatus.parse(await answer.json());
  return { open, step: rollout.step };
}

async function add(stack: Stack, mcpx: Mcpx, version: string, failing = 0): Promise<void> {
  const { port } = await stack.server('demo/claims.js', [version, String(failing)]);
  const url = `http://127.0.0.1:${port}/mcp`;
  await typed(mcpx, ['service', 'register', 'claims', '--version', version, '--url', url]);
}

/** Shows a command as it is typed, and runs it; it must succeed. */
async function typed(mcpx: Mcpx, words: readonly string[]): Promise<void> {
  say(colours.cyan(`\n$ mcpx ${words.join(' ')}`));
  const code = await run(mcpx, words, 'inherit');
  if (code !== 0) throw new Error(`mcpx ${words.join(' ')} ended with exit code ${code}`);
}

async function run(
  { admin }: Mcpx,
  words: readonly string[],
  output: 'inherit' | 'ignore' = 'ignore',
): Promise<number> {
  const child = spawn(process.execPath, [packageFile('dist/src/main.js'), ...words], {
    stdio: ['ignore', output, output],
    env: { ...process.env, MCPX_ADMIN_URL: admin },
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

/** Agents that call one tool, evenly spread over the time, and keep what they got. */
class Agents {
  #done = 0;
  #toolErrors = 0;
  readonly #failures: string[] = [];
  readonly #open = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly url: string) {}

  async begin(): Promise<void> {
    await eventually('claims is callable', async () => (await postCall(this.url, 'estimate')).ok);
    this.#timer = setInterval(() => {
      const call = this.#call().finally(() => this.#open.delete(call));
      this.#open.add(call);
    }, 1000 / callsPerSecond);
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#open);
  }

  tell(): string {
    const [reason = ''] = this.#failures;
    const failed = this.#failures.length;
    const lost =
      failed === 0 ? colours.green('none lost') : colours.red(`${failed} lost: ${reason}`);
    const felt = `${this.#toolErrors} answered with an error of the tool`;
    return `\n${colours.bold('Agents so far:')} ${this.#done} calls, ${lost}, ${felt}.`;
  }

  async #call(): Promise<void> {
    try {
      const answer = await postCall(this.url, 'estimate');
      const body = await answer.text();
      if (!answer.ok || !body.includes('"result"')) this.#failures.push(body.slice(0, 200));
      if (body.includes('"isError":true')) this.#toolErrors += 1;
    } catch (error) {
      this.#failures.push(String(error));
    }
    this.#done += 1;
  }
}
