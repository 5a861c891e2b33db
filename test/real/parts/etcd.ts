/** A real etcd of one member, on free ports of 127.0.0.1. */
import { join } from 'node:path';
import { Etcd3 } from 'etcd3';
import { freePorts, setUpBinary, temporaryFolder } from './child.js';
import { startRestarting, type Restarting } from './restarting.js';

export interface RealEtcd extends Restarting {
  readonly address: string;
  /** A client of the test's own, beside the one under test. */
  readonly client: Etcd3;
  stop(): Promise<void>;
}

export async function startEtcd(): Promise<RealEtcd> {
  const binary = await setUpBinary('etcd', 'ensureEtcd');
  const folder = await temporaryFolder('etcd');
  const [clients = 0, peers = 0] = await freePorts(2);
  const address = `http://127.0.0.1:${clients}`;
  const peerAddress = `http://127.0.0.1:${peers}`;
  const args = [
    ...['--name', 'test', '--data-dir', join(folder.path, 'data')],
    ...['--listen-client-urls', address, '--advertise-client-urls', address],
    ...['--listen-peer-urls', peerAddress, '--initial-advertise-peer-urls', peerAddress],
    ...['--initial-cluster', `test=${peerAddress}`, '--log-level', 'warn'],
  ];
  const healthy = async () => (await fetch(`${address}/health`)).ok;
  const member = await startRestarting(binary, args, healthy);
  const client = new Etcd3({ hosts: address });
  return {
    address,
    client,
    ...member,
    async stop() {
      client.close();
      await member.kill();
      await folder.remove();
    },
  };
}
