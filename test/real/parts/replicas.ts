/**
 * Two replicas of the control plane on one Consul, a filter service and one real Envoy
 * that know both, each started by the command an operator would use.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { nodeList } from '../../../src/admin/schemas.js';
import { packageFile } from '../../../src/package_file.js';
import { ensureEnvoyVersion, pinnedEnvoy } from '../../../src/up/envoy_binary.js';
import { freePorts, startChild, temporaryFolder, whenReady, type Child } from './child.js';
import type { RealConsul } from './consul.js';

export interface Replica {
  readonly admin: string;
  readonly xdsPort: number;
  /** Whether it says that it has a part in serving. */
  ready(): Promise<boolean>;
  /** What it says of the Envoy; undefined while that is connected elsewhere. */
  envoy(): Promise<EnvoyView | undefined>;
  /** The responses it ever sent to Envoys, of all types. */
  responses(): Promise<number>;
  /** Nothing where it runs already. */
  start(): void;
  end(signal: NodeJS.Signals): Promise<void>;
}

type EnvoyView = ReturnType<typeof nodeList.parse>['nodes'][number];

export interface Fleet {
  readonly gateway: string;
  readonly envoyAdmin: string;
  readonly replicas: readonly [Replica, Replica];
  stop(): Promise<void>;
}

/** What every part of an MCPX is started from. */
export const program = packageFile('dist/src/main.js');
const run = promisify(execFile);

export async function startReplicas(consul: RealConsul): Promise<Fleet> {
  const folder = await temporaryFolder('replicas');
  const ports = await freePorts(8);
  const [gateway = 0, filter = 0, bridgePort = 0, adminPort = 0, ...listening] = ports;
  const config = join(folder.path, 'mcpx.yaml');
  const [replica, other] = [0, 2].map((at) =>
    replicaAt(config, { admin: listening[at] ?? 0, xds: listening[at + 1] ?? 0 }),
  ) as [Replica, Replica];
  const replicas = [replica, other] as const;
  const settings = {
    // What Envoy is told names a socket in it, so replicas have it at the same path.
    data: folder.path,
    registry: { consul: { address: consul.address } },
    gateway: { port: gateway },
    filter: { port: filter, bridgePort, controlPlanes: replicas.map(({ admin }) => admin) },
    envoy: { adminPort },
  };
  await writeFile(config, stringify(settings));
  for (const each of replicas) each.start();
  const filterService = startChild(process.execPath, [program, 'filter', '--config', config]);
  const envoyAdmin = `http://127.0.0.1:${adminPort}`;
  const envoy = await startEdgeOf(config, {
    node: 'edge',
    folder: folder.path,
    replicas,
    envoyAdmin,
  });
  return {
    ...{ gateway: `http://127.0.0.1:${gateway}`, envoyAdmin, replicas },
    async stop() {
      await envoy.stop();
      await Promise.all([filterService.stop(), ...replicas.map((each) => each.end('SIGKILL'))]);
      await folder.remove();
    },
  };
}

interface EdgeOfReplicas {
  readonly node: string;
  /** For its bootstrap. */
  readonly folder: string;
  readonly replicas: readonly Pick<Replica, 'xdsPort'>[];
  readonly envoyAdmin: string;
}

/** An Envoy that knows these replicas, with the bootstrap that an operator would print. */
export async function startEdgeOf(config: string, edge: EdgeOfReplicas): Promise<Child> {
  const addresses = edge.replicas.map(({ xdsPort }) => `127.0.0.1:${xdsPort}`).join(',');
  const words = ['bootstrap', '--node', edge.node, '--xds', addresses, '--config', config];
  const bootstrap = join(edge.folder, 'envoy.yaml');
  await writeFile(bootstrap, (await run(process.execPath, [program, ...words])).stdout);
  const binary = process.env['ENVOY_BIN'] || (await ensureEnvoyVersion(pinnedEnvoy, process.env));
  const options = ['--use-dynamic-base-id', '--concurrency', '1', '--log-level', 'warn'];
  const envoy = startChild(binary, ['-c', bootstrap, ...options]);
  await whenReady(envoy, async () => (await fetch(`${edge.envoyAdmin}/server_info`)).ok);
  return envoy;
}

interface Listening {
  readonly admin: number;
  readonly xds: number;
}

/** Not started yet. */
export function replicaAt(config: string, ports: Listening): Replica {
  const admin = `http://127.0.0.1:${ports.admin}`;
  const flags = ['--admin-port', String(ports.admin), '--xds-port', String(ports.xds)];
  let child: Child | undefined;
  return {
    admin,
    xdsPort: ports.xds,
    ready: async () => (await fetch(`${admin}/readyz`)).ok,
    async envoy() {
      const answer = await fetch(`${admin}/v1/nodes`);
      return nodeList.parse(await answer.json()).nodes.find(({ id }) => id === 'edge');
    },
    async responses() {
      const text = await (await fetch(`${admin}/metrics`)).text();
      const counted = text.matchAll(/^mcpx_xds_responses_total\{.*\} (\d+)$/gm);
      return [...counted].reduce((sum, [, count]) => sum + Number(count), 0);
    },
    start() {
      if (!isRunning(child))
        child = startChild(process.execPath, [program, 'serve', '--config', config, ...flags]);
    },
    async end(signal) {
      if (!child || !isRunning(child)) return;
      const ended = once(child.process, 'exit');
      child.process.kill(signal);
      await ended;
      await child.stop();
    },
  };
}

const isRunning = (child: Child | undefined): boolean =>
  child?.process.exitCode === null && child.process.signalCode === null;
