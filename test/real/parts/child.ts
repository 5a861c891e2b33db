/** Real programs as child processes: free ports, a folder of their own, ended without a trace. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { packageFile } from '../../../src/package_file.js';

export interface Child {
  readonly process: ChildProcess;
  /** Everything it wrote, for the message of a failed start. */
  output(): string;
  /** Stops answering without closing its connections (SIGSTOP), and goes on again. */
  pause(): void;
  resume(): void;
  /** Ends it, and waits until it has. */
  stop(): Promise<void>;
}

export function startChild(command: string, args: readonly string[]): Child {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  // A test run that is killed must leave nothing behind.
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-20_000)));
  return {
    process: child,
    output: () => output,
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    async stop() {
      process.off('exit', kill);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      kill();
      await ended;
    },
  };
}

/** Waits until `ready` answers true; fails with the child's output when it ends before. */
export async function whenReady(child: Child, ready: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await ready().catch(() => false))) {
    if (child.process.exitCode !== null || Date.now() > deadline)
      throw new Error(`${child.process.spawnfile} did not start:\n${child.output()}`);
    await delay(25);
  }
}

/** Ports nobody listens on now, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

export interface Folder {
  readonly path: string;
  remove(): Promise<void>;
}

export async function temporaryFolder(name: string): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), `mcpx-${name}-`));
  return {
    path,
    remove: async () => rm(path, { recursive: true, force: true, maxRetries: 5 }),
  };
}

/** The binary that `scripts/setup/<name>.mjs` finds or builds. */
export async function setUpBinary(name: string, ensure: string): Promise<string> {
  const script = pathToFileURL(packageFile(`scripts/setup/${name}.mjs`)).href;
  const steps = (await import(script)) as Record<
    string,
    ((report: (text: string) => void) => Promise<string>) | undefined
  >;
  const find = steps[ensure];
  if (find === undefined) throw new Error(`${script} exports no ${ensure}`);
  return find(() => undefined);
}
