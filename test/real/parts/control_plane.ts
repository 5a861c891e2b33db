/** `mcpx serve` with identity on, as an operator starts it, and the commands beside it. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { nodeList } from '../../../src/admin/schemas.js';
import { heldToken } from '../../../src/admin_client/local_token.js';
import { packageFile } from '../../../src/package_file.js';
import { ensureEnvoyVersion, pinnedEnvoy } from '../../../src/up/envoy_binary.js';
import { freePorts, startChild, temporaryFolder, whenReady, type Child } from './child.js';

export const program = packageFile('dist/src/main.js');

export interface Ran {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

export interface ControlPlane {
  readonly folder: string;
  readonly gateway: string;
  readonly admin: string;
  readonly xdsPort: number;
  /** A command with this configuration. */
  mcpx(...words: readonly string[]): Promise<Ran>;
  /** The words of `mcpx join` that the bootstrap of an edge tells, and that bootstrap. */
  bootstrap(folder: string): Promise<{ readonly join: readonly string[]; readonly file: string }>;
  /** What the admin API tells the user whose control plane it is. */
  ask(path: string): Promise<Response>;
  /** The Envoys it serves. */
  nodes(): Promise<readonly string[]>;
  start(): Promise<void>;
  /** Ends it without a word. */
  kill(): Promise<void>;
  output(): string;
  stop(): Promise<void>;
}

export async function startControlPlane(
  settings: Readonly<Record<string, unknown>> = {},
): Promise<ControlPlane> {
  const home = await temporaryFolder('control-plane');
  const ports = await freePorts(6);
  const [gateway = 0, port = 0, xds = 0, filter = 0, bridgePort = 0, adminPort = 0] = ports;
  const [config, data] = [join(home.path, 'mcpx.yaml'), join(home.path, 'data')];
  const base = {
    ...{ data, identity: { mode: 'mutual' } },
    ...{ gateway: { port: gateway }, admin: { port }, xds: { port: xds } },
    ...{ filter: { port: filter, bridgePort }, envoy: { adminPort } },
  };
  writeFileSync(config, stringify({ ...base, ...settings }));
  const admin = `http://127.0.0.1:${port}`;
  const mcpx: ControlPlane['mcpx'] = (...words) => run([...words, '--config', config]);
  const ask: ControlPlane['ask'] = async (path) =>
    fetch(admin + path, { headers: { authorization: `Bearer ${await heldToken(data, 'cli')}` } });
  let child: Child | undefined;
  const start = async () => {
    const started = (child = startChild(process.execPath, [program, 'serve', '--config', config]));
    await whenReady(started, async () => (await fetch(`${admin}/readyz`)).ok);
  };
  await start();
  return {
    ...{ folder: home.path, admin, xdsPort: xds, mcpx, ask, start },
    gateway: `http://127.0.0.1:${gateway}`,
    async bootstrap(folder) {
      const { out, err } = await mcpx('bootstrap', '--node', 'edge', '--folder', folder);
      const [, words] = /^ +mcpx (join .*)$/m.exec(err) ?? [];
      if (words === undefined) throw new Error(`no join command: ${out}${err}`);
      const file = join(home.path, 'edge.yaml');
      writeFileSync(file, out);
      return { join: words.split(' '), file };
    },
    async nodes() {
      const answer = await ask('/v1/nodes');
      return nodeList.parse(await answer.json()).nodes.map(({ id, role }) => `${id} ${role}`);
    },
    async kill() {
      const ended = child && once(child.process, 'exit');
      child?.process.kill('SIGKILL');
      await ended;
    },
    output: () => child?.output() ?? '',
    async stop() {
      await child?.stop();
      await home.remove();
    },
  };
}

/** Runs a command to its end. */
export function run(words: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...words], (error, out, err) =>
      resolve({ exitCode: error ? Number(error.code ?? -1) : 0, out, err }),
    );
  });
}

/** A command that goes on until it is stopped. */
export const keepRunning = (words: readonly string[]): Child =>
  startChild(process.execPath, [program, ...words]);

/** An Envoy with just what this file says. */
export async function startEnvoyWith(bootstrap: string): Promise<Child> {
  const binary = process.env['ENVOY_BIN'] || (await ensureEnvoyVersion(pinnedEnvoy, process.env));
  const options = ['--use-dynamic-base-id', '--concurrency', '1', '--log-level', 'warn'];
  const envoy = startChild(binary, ['-c', bootstrap, ...options]);
  const { admin } = parse(readFileSync(bootstrap, 'utf8')) as {
    admin: { address: { socket_address: { port_value: number } } };
  };
  const port = admin.address.socket_address.port_value;
  await whenReady(envoy, async () => (await fetch(`http://127.0.0.1:${port}/server_info`)).ok);
  return envoy;
}
