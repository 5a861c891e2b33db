/** A real etcd of one member, on free ports of 127.0.0.1. */
import { join } from 'node:path';
import { Etcd3 } from 'etcd3';
import { freePorts, setUpBinary, startChild, temporaryFolder, whenReady } from './child.js';

export interface RealEtcd {
  readonly address: string;
  /** A client of the test's own, beside the one under test. */
  readonly client: Etcd3;
  /** Ends the process as a crash would; `start` brings it back with what it held. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Stops answering without closing its connections, and goes on again. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

export async function startEtcd(): Promise<RealEtcd> {
  const binary = await setUpBinary('etcd', 'ensureEtcd');
  const folder = await temporaryFolder('etcd');
  const [clients = 0, peers = 0] = await freePorts(2);
  const address = `http://127.0.0.1:${clients}`;
  const peerAddress = `http://127.0.0.1:${peers}`;
  const launch = async () => {
    const child = startChild(binary, [
      ...['--name', 'test', '--data-dir', join(folder.path, 'data')],
      ...['--listen-client-urls', address, '--advertise-client-urls', address],
      ...['--listen-peer-urls', peerAddress, '--initial-advertise-peer-urls', peerAddress],
      ...['--initial-cluster', `test=${peerAddress}`, '--log-level', 'warn'],
    ]);
    await whenReady(child, async () => (await fetch(`${address}/health`)).ok);
    return child;
  };
  let child = await launch();
  const client = new Etcd3({ hosts: address });
  return {
    address,
    client,
    kill: async () => child.stop(),
    pause: () => child.pause(),
    resume: () => child.resume(),
    async start() {
      child = await launch();
    },
    async stop() {
      client.close();
      await child.stop();
      await folder.remove();
    },
  };
}
