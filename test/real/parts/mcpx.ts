/** A whole MCPX as a user starts it: `mcpx up` on free ports with a data folder of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { packageFile } from '../../../src/package_file.js';
import { freePorts } from './child.js';

export interface Mcpx {
  readonly gateway: string;
  readonly admin: string;
  readonly envoyAdmin: string;
  readonly data: string;
  readonly process: ChildProcess;
  /** What it printed so far, both streams. */
  output(): string;
  /** Ends it as Ctrl-C would and removes its folder. */
  stop(): Promise<void>;
}

export interface McpxOptions {
  /** Merged into mcpx.yaml. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly arguments?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The data folder of an earlier run; a new one otherwise. */
  readonly data?: string;
}

export async function startMcpx(options: McpxOptions = {}): Promise<Mcpx> {
  const mcpx = await launchMcpx(options);
  await eventually('the first screen', () => {
    if (mcpx.process.exitCode !== null) throw new Ended(`mcpx up ended:\n${mcpx.output()}`);
    return mcpx.output().includes('Ctrl-C ends everything');
  });
  return mcpx;
}

/** Starts without waiting for anything. */
export async function launchMcpx(options: McpxOptions = {}): Promise<Mcpx> {
  const data = options.data ?? (await mkdtemp(join(tmpdir(), 'mcpx-test-')));
  const ports = await freePorts(6);
  const [gateway = 0, admin = 0, xds = 0, filter = 0, bridgePort = 0, adminPort = 0] = ports;
  const config = join(data, 'mcpx.yaml');
  const settings = {
    data,
    gateway: { port: gateway },
    admin: { port: admin },
    xds: { port: xds },
    filter: { port: filter, bridgePort },
    envoy: { adminPort, concurrency: 1, binary: process.env['ENVOY_BIN'] ?? '' },
    ...options.settings,
  };
  await writeFile(config, stringify(settings));
  const args = ['up', '--config', config, ...(options.arguments ?? [])];
  const child = spawn(process.execPath, [packageFile('dist/src/main.js'), ...args], {
    cwd: data,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return {
    gateway: `http://127.0.0.1:${gateway}`,
    admin: `http://127.0.0.1:${admin}`,
    envoyAdmin: `http://127.0.0.1:${adminPort}`,
    data,
    process: child,
    output: () => output,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGINT');
        await new Promise((resolve) => child.once('exit', resolve));
      }
      await rm(data, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}

/** A condition that can no longer come true. */
export class Ended extends Error {}

/** Waits for a state, looking again and again; what stood in the way last is in the error. */
export async function eventually(
  what: string,
  condition: () => unknown,
  deadlineMs = 30_000,
): Promise<void> {
  const until = Date.now() + deadlineMs;
  for (;;) {
    const reason = await obstacle(condition);
    if (reason === undefined) return;
    if (Date.now() > until) throw new Error(`Not in time: ${what}${reason}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function obstacle(condition: () => unknown): Promise<string | undefined> {
  try {
    return (await condition()) ? undefined : '';
  } catch (error) {
    if (error instanceof Ended) throw error;
    return `: ${error instanceof Error ? error.message : String(error)}`;
  }
}
