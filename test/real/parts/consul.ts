/** A real Consul agent in development mode, on free ports of 127.0.0.1. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Consul from 'consul';
import { freePorts, setUpBinary, startChild, temporaryFolder, whenReady } from './child.js';

export interface RealConsul {
  readonly address: string;
  /** A client of the test's own, beside the one under test. */
  readonly client: Consul;
  /** Ends the process as a crash would; `start` brings it back, empty, on the same ports. */
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export async function startConsul(): Promise<RealConsul> {
  const binary = await setUpBinary('consul', 'ensureConsul');
  const folder = await temporaryFolder('consul');
  const [http = 0, server = 0, lan = 0, wan = 0] = await freePorts(4);
  const config = join(folder.path, 'consul.json');
  await writeFile(
    config,
    JSON.stringify({
      bind_addr: '127.0.0.1',
      client_addr: '127.0.0.1',
      ports: { http, server, serf_lan: lan, serf_wan: wan, dns: -1, grpc: -1, grpc_tls: -1 },
      disable_update_check: true,
      log_level: 'warn',
    }),
  );
  const address = `http://127.0.0.1:${http}`;
  const client = new Consul({ host: '127.0.0.1', port: http });
  const launch = async () => {
    const child = startChild(binary, ['agent', '-dev', '-config-file', config]);
    await whenReady(child, async () => {
      // Until the agent has registered itself, its services are not in the catalogue.
      const nodes: unknown[] = await client.catalog.nodes({} as never);
      return nodes.length > 0;
    });
    return child;
  };
  let child = await launch();
  return {
    address,
    client,
    kill: async () => child.stop(),
    async start() {
      child = await launch();
    },
    async stop() {
      client.destroy();
      await child.stop();
      await folder.remove();
    },
  };
}
