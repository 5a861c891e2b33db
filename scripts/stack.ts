/**
 * What a conformance or benchmark run starts: servers in processes of their own
 * and a whole MCPX, all ended with the run, also by Ctrl-C or SIGTERM.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { packageFile } from '../src/package_file.js';
import {
  Ended,
  eventually,
  launchMcpx,
  type Mcpx,
  type McpxOptions,
} from '../test/real/parts/mcpx.js';

export interface ServerProcess {
  readonly port: number;
  readonly pid: number;
}

interface Program {
  readonly ports: readonly number[];
  readonly pid: number;
  /** Ends it before the stack does. */
  stop(): Promise<void>;
}

export class Stack {
  private readonly stops: (() => Promise<void>)[] = [];
  private stopping: Promise<void> | undefined;

  /** Starts the compiled `script`, which says "ready PORT" and ends when its stdin does. */
  async server(script: string, args: readonly string[] = []): Promise<ServerProcess> {
    const file = packageFile(`dist/scripts/${script}`);
    const { ports, pid } = await this.program([process.execPath, file, ...args]);
    const [port] = ports;
    if (port === undefined) throw new Error(`${script} named no port`);
    return { port, pid };
  }

  /** Starts a program that says "ready PORT …" and ends when its stdin does. */
  async program([command, ...args]: readonly [string, ...string[]]): Promise<Program> {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const stop = async (): Promise<void> => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    };
    this.stops.push(stop);
    const said = await Promise.race([
      once(child.stdout, 'data').then(([chunk]) => String(chunk)),
      once(child, 'exit').then(() => 'nothing'),
    ]);
    const ports = (/^ready ([\d ]+)/.exec(said)?.[1] ?? '').split(' ').map(Number);
    if (!ports.every((port) => port > 0) || child.pid === undefined)
      throw new Error(`${command} ${args.join(' ')} said: ${said}`);
    return { ports, pid: child.pid, stop };
  }

  async mcpx(options: McpxOptions = {}): Promise<Mcpx> {
    const mcpx = await launchMcpx(options);
    this.stops.push(() => mcpx.stop());
    await eventually('the first screen of mcpx up', () => {
      if (mcpx.process.exitCode !== null) throw new Ended(`mcpx up ended:\n${mcpx.output()}`);
      return mcpx.output().includes('Connect an agent');
    });
    return mcpx;
  }

  /** In reverse: who calls ends before who is called. */
  stop(): Promise<void> {
    this.stopping ??= (async () => {
      for (const stop of this.stops.reverse()) await stop();
    })();
    return this.stopping;
  }
}

/** Does `work` on a stack that is gone afterwards, however the work ends. */
export async function onStack<T>(work: (stack: Stack) => Promise<T>): Promise<T> {
  const stack = new Stack();
  const interrupted = (): void => void stack.stop().finally(() => process.exit(130));
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    return await work(stack);
  } finally {
    await stack.stop();
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
  }
}
