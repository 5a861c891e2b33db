/** A real Consul agent in development mode, on free ports of 127.0.0.1. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Consul from 'consul';
import { freePorts, setUpBinary, temporaryFolder } from './child.js';
import { startRestarting, type Restarting } from './restarting.js';

/** What a server tells Consul of itself, as its HTTP API takes it. */
export interface ConsulService {
  readonly ID: string;
  readonly Name: string;
  readonly Address: string;
  readonly Port: number;
  readonly Tags?: readonly string[];
  readonly Meta?: Readonly<Record<string, string>>;
  readonly Check?: CheckAsSet | CheckByConsul;
}

/** A check that is as `setCheck` says. */
interface CheckAsSet {
  readonly CheckID: string;
  readonly TTL: string;
  readonly Status: CheckStatus;
}

/** Consul sees for itself whether somebody listens. */
interface CheckByConsul {
  readonly TCP: string;
  readonly Interval: string;
}

type CheckStatus = 'passing' | 'warning' | 'critical';

/** Brought back empty, unless it keeps its data. */
export interface RealConsul extends Restarting {
  readonly address: string;
  /** A client of the test's own, beside the one under test. */
  readonly client: Consul;
  register(service: ConsulService): Promise<void>;
  deregister(id: string): Promise<void>;
  setCheck(checkId: string, status: CheckStatus): Promise<void>;
  stop(): Promise<void>;
}

interface ConsulOptions {
  /** A server of its own that comes back with what it held; else in development mode. */
  readonly keepsData?: boolean;
  /** Other settings of its configuration. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export async function startConsul(options: ConsulOptions = {}): Promise<RealConsul> {
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
      ...(options.keepsData === true && {
        server: true,
        bootstrap_expect: 1,
        performance: { raft_multiplier: 1 },
        data_dir: join(folder.path, 'data'),
      }),
      ...options.settings,
    }),
  );
  const address = `http://127.0.0.1:${http}`;
  const client = new Consul({ host: '127.0.0.1', port: http });
  // Not by the client, whose types know no TTL check with a first status.
  const register = async (service: ConsulService): Promise<void> => {
    const answer = await fetch(`${address}/v1/agent/service/register`, {
      method: 'PUT',
      body: JSON.stringify(service),
    });
    if (!answer.ok) throw new Error(`Consul refused ${service.ID}: ${await answer.text()}`);
  };
  const mode = options.keepsData === true ? [] : ['-dev'];
  const agent = await startRestarting(
    binary,
    ['agent', ...mode, '-config-file', config],
    async () => {
      // Until the agent has registered itself, its services are not in the catalogue.
      const nodes: unknown[] = await client.catalog.nodes({} as never);
      return nodes.length > 0;
    },
  );
  return {
    ...agent,
    address,
    client,
    register,
    async deregister(id) {
      await client.agent.service.deregister(id);
    },
    async setCheck(checkId, status) {
      const { check } = client.agent;
      if (status === 'passing') await check.pass(checkId);
      else if (status === 'warning') await check.warn(checkId);
      else await check.fail(checkId);
    },
    async stop() {
      client.destroy();
      await agent.kill();
      await folder.remove();
    },
  };
}
