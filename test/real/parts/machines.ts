/**
 * Two machines as operators set them up: on each a control plane, a filter service and an
 * Envoy of its own, on one Consul. Envoys that share a machine share the gateway's port, so
 * only in this way can a test say through which of them it calls.
 */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { freePorts, startChild, temporaryFolder, type Child } from './child.js';
import type { RealConsul } from './consul.js';
import { program, replicaAt, startEdgeOf, type Replica } from './replicas.js';

export interface Machine {
  readonly gateway: string;
  readonly envoyAdmin: string;
  readonly replica: Replica;
  /** SIGSTOP: it answers nobody until SIGCONT. */
  signalEnvoy(signal: 'SIGSTOP' | 'SIGCONT'): void;
}

export interface Machines {
  readonly both: readonly [Machine, Machine];
  stop(): Promise<void>;
}

export async function startMachines(consul: RealConsul): Promise<Machines> {
  const folder = await temporaryFolder('machines');
  const ports = await freePorts(12);
  // One key, so that each machine serves the sessions on /mcp that began on the other.
  const key = join(folder.path, 'session.key');
  await writeFile(key, randomBytes(32), { mode: 0o600 });
  const started = await Promise.all(
    ['edge-1', 'edge-2'].map((node, at) =>
      startMachine({
        ...{ node, key, consul: consul.address, folder: join(folder.path, node) },
        ports: ports.slice(at * 6, at * 6 + 6),
      }),
    ),
  );
  return {
    both: started.map(({ machine }) => machine) as unknown as [Machine, Machine],
    async stop() {
      await Promise.all(started.map(({ stop }) => stop()));
      await folder.remove();
    },
  };
}

interface Place {
  readonly node: string;
  readonly folder: string;
  readonly key: string;
  readonly consul: string;
  readonly ports: readonly number[];
}

async function startMachine({ node, folder, key, consul, ports }: Place) {
  const [gateway = 0, filter = 0, bridgePort = 0, adminPort = 0, admin = 0, xds = 0] = ports;
  await mkdir(folder);
  await copyFile(key, join(folder, 'session.key'));
  const config = join(folder, 'mcpx.yaml');
  const settings = {
    data: folder,
    registry: { consul: { address: consul } },
    gateway: { port: gateway },
    filter: { port: filter, bridgePort, controlPlanes: [`http://127.0.0.1:${admin}`] },
    envoy: { adminPort },
  };
  await writeFile(config, stringify(settings));
  const replica = replicaAt(config, { admin, xds });
  replica.start();
  const filterService = startChild(process.execPath, [program, 'filter', '--config', config]);
  const envoyAdmin = `http://127.0.0.1:${adminPort}`;
  const envoy: Child = await startEdgeOf(config, { node, folder, replicas: [replica], envoyAdmin });
  return {
    machine: {
      ...{ gateway: `http://127.0.0.1:${gateway}`, envoyAdmin, replica },
      signalEnvoy: (signal: NodeJS.Signals) => void envoy.process.kill(signal),
    },
    stop: async () => {
      await envoy.stop();
      await Promise.all([filterService.stop(), replica.end('SIGKILL')]);
    },
  };
}
