/** Three members of Consul or of etcd, on free ports of 127.0.0.1: some may be lost. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts, setUpBinary, temporaryFolder } from './child.js';
import { startRestarting, type Restarting } from './restarting.js';

const size = 3;

export interface Cluster {
  /** Of each member. */
  readonly addresses: readonly string[];
  readonly members: readonly Restarting[];
  stop(): Promise<void>;
}

/** A member's own ports: for clients, for its peers, and others. */
type Ports = readonly [number, number, number, number];

async function portsOfAll(): Promise<readonly Ports[]> {
  const free = await freePorts(size * 4);
  return Array.from({ length: size }, (_, at) => free.slice(at * 4, at * 4 + 4) as never);
}

/** Each keeps what it held. */
export async function startConsulCluster(): Promise<Cluster> {
  const binary = await setUpBinary('consul', 'ensureConsul');
  const folder = await temporaryFolder('consul-cluster');
  const ports = await portsOfAll();
  const addresses = ports.map(([http]) => `http://127.0.0.1:${http}`);
  const starting = ports.map(async ([http, server, lan, wan], index) => {
    const config = join(folder.path, `${index}.json`);
    const settings = {
      ...{ node_name: `server-${index}`, data_dir: join(folder.path, `data-${index}`) },
      ...{ server: true, bootstrap_expect: size, performance: { raft_multiplier: 1 } },
      ...{ bind_addr: '127.0.0.1', client_addr: '127.0.0.1', disable_update_check: true },
      ports: { http, server, serf_lan: lan, serf_wan: wan, dns: -1, grpc: -1, grpc_tls: -1 },
      retry_join: ports.map(([, , others]) => `127.0.0.1:${others}`),
      ...{ retry_interval: '1s', leave_on_terminate: false, log_level: 'warn' },
    };
    await writeFile(config, JSON.stringify(settings));
    const hasLeader = async () =>
      (await (await fetch(`http://127.0.0.1:${http}/v1/status/leader`)).text()).length > 2;
    return startRestarting(binary, ['agent', '-config-file', config], hasLeader);
  });
  return cluster(addresses, await Promise.all(starting), folder);
}

export async function startEtcdCluster(): Promise<Cluster> {
  const binary = await setUpBinary('etcd', 'ensureEtcd');
  const folder = await temporaryFolder('etcd-cluster');
  const ports = await portsOfAll();
  const addresses = ports.map(([clients]) => `http://127.0.0.1:${clients}`);
  const peerOf = ([, peers]: Ports) => `http://127.0.0.1:${peers}`;
  const all = ports.map((each, index) => `member-${index}=${peerOf(each)}`).join(',');
  const starting = ports.map(async (own, index) => {
    const [address = '', peer] = [addresses[index], peerOf(own)];
    const args = [
      ...['--name', `member-${index}`, '--data-dir', join(folder.path, `data-${index}`)],
      ...['--listen-client-urls', address, '--advertise-client-urls', address],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster', all, '--log-level', 'error'],
    ];
    return startRestarting(binary, args, async () => (await fetch(`${address}/health`)).ok);
  });
  return cluster(addresses, await Promise.all(starting), folder);
}

function cluster(
  addresses: readonly string[],
  members: readonly Restarting[],
  folder: { remove(): Promise<void> },
): Cluster {
  return {
    addresses,
    members,
    async stop() {
      await Promise.all(members.map((member) => member.kill()));
      await folder.remove();
    },
  };
}
