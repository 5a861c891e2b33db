/** A served snapshot, and everything that is to be ended after a test. */
import { systemClock, type Clock } from '../../src/clock.js';
import { Latest } from '../../src/latest.js';
import { silentLog, type Log } from '../../src/log.js';
import { createMetrics, type Metrics } from '../../src/metrics.js';
import type { EncodedResources, Snapshot } from '../../src/snapshot/snapshot.js';
import type { Snapshots } from '../../src/xds/audiences.js';
import type { IdentityPolicy } from '../../src/xds/identity.js';
import type { KeptRefusals } from '../../src/xds/kept_refusals.js';
import type { Limits } from '../../src/xds/limits.js';
import type { TlsMaterial } from '../../src/xds/listening.js';
import type { Receiver } from '../../src/xds/receivers.js';
import { startXdsServer, type XdsServer } from '../../src/xds/server.js';
import { assignment, edsCluster, listener, routes, snapshotOf } from '../unit/snapshot/messages.js';
import { WireClient, type RawClient, type RawClientOptions } from './client.js';

export const base: Partial<EncodedResources> = {
  cluster: [edsCluster('a')],
  endpoint: [assignment('a')],
  listener: [listener('gateway', 'gateway')],
  route: [routes('gateway', ['a'])],
};

export interface Stage {
  readonly server: XdsServer;
  readonly metrics: Metrics;
  readonly edge: Latest<Snapshot | undefined>;
  /** Publishes `base` with these parts in place of its own. */
  publish(parts: Partial<EncodedResources>): void;
  connect(options?: RawClientOptions): WireClient;
  /** Closed at the end, like those of `connect`. */
  keep<T extends Pick<RawClient, 'close'>>(client: T): T;
  /** Until the nodes are so. */
  nodesAre(accept: () => boolean): Promise<unknown>;
  stop(): Promise<void>;
}

interface StageOptions {
  readonly snapshots?: Snapshots;
  readonly tls?: Latest<TlsMaterial>;
  readonly identity?: IdentityPolicy;
  readonly receivers?: readonly Receiver[];
  readonly limits?: Partial<Limits>;
  readonly refusals?: KeptRefusals;
  readonly clock?: Clock;
  readonly log?: Log;
  readonly metrics?: Metrics;
}

export async function startStage(options: StageOptions = {}): Promise<Stage> {
  const edge = new Latest<Snapshot | undefined>(snapshotOf(base));
  const { metrics = createMetrics() } = options;
  const clients: Pick<RawClient, 'close'>[] = [];
  const outcome = await startXdsServer({
    ...{ host: '127.0.0.1', port: 0, snapshots: () => edge, metrics },
    ...{ clock: systemClock, log: silentLog, ...options },
  });
  if (!outcome.ok) throw new Error(outcome.problems[0]?.message);
  const server = outcome.value;
  const keep = <T extends Pick<RawClient, 'close'>>(client: T): T => {
    clients.push(client);
    return client;
  };
  return {
    ...{ server, metrics, edge, keep },
    publish: (parts) => edge.set(snapshotOf({ ...base, ...parts }, edge.value)),
    connect: (how) => keep(new WireClient(server.port, how)),
    nodesAre: async (accept) => server.nodes.revision.when(accept),
    async stop() {
      for (const client of clients) client.close();
      await server.stop(500);
    },
  };
}

/** The value of a counter or gauge, as Prometheus would read it. */
export async function valueOf(metrics: Metrics, series: string): Promise<number> {
  const lines = (await metrics.text()).split('\n');
  const line = lines.find((each) => each.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}
