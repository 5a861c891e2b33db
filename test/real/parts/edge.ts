/**
 * One real Envoy and the xDS server that feeds it, without the rest of MCPX:
 * a test hands over registrations, or a snapshot of its own making.
 */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { systemClock } from '../../../src/clock.js';
import { readConfig, type Config } from '../../../src/config.js';
import {
  emptyFleet,
  type Fleet,
  type ProbeReport,
  type Registration,
} from '../../../src/fleet/fleet.js';
import type { RolloutDocument } from '../../../src/fleet/rollout.js';
import { gatewayFiles } from '../../../src/identity/gateway_certificate.js';
import { Latest } from '../../../src/latest.js';
import { silentLog } from '../../../src/log.js';
import { createMetrics } from '../../../src/metrics.js';
import { bootstrapOf } from '../../../src/resources/bootstrap.js';
import type { Snapshot } from '../../../src/snapshot/snapshot.js';
import { translate } from '../../../src/translate.js';
import type { Receiver } from '../../../src/xds/receivers.js';
import { startXdsServer, type XdsServer } from '../../../src/xds/server.js';
import type { Variant } from '../../../src/xds/subscription.js';
import { report } from '../../unit/fleet/registered.js';
import { freePorts, startChild, temporaryFolder, whenReady } from './child.js';
import { eventually } from './mcpx.js';

export interface Edge {
  readonly gateway: string;
  readonly admin: string;
  readonly xds: XdsServer;
  readonly snapshot: Latest<Snapshot | undefined>;
  readonly fleet: Latest<Fleet>;
  /** What the fleet is from now on. */
  register(registrations: readonly Registration[], besides?: Besides): void;
  /** Until Envoy holds and has acknowledged all of it. */
  settled(): Promise<void>;
  /** What Envoy has warned of. */
  output(): string;
  stop(): Promise<void>;
}

interface Besides {
  /** At most one of each service. */
  readonly rollouts?: readonly RolloutDocument[];
  readonly probes?: ProbeReport;
}

export interface EdgeOptions {
  readonly binary: string;
  readonly variant: Variant;
  readonly receivers?: readonly Receiver[];
  /** PEM files: the gateway by TLS. */
  readonly tls?: Config['gateway']['tls'];
}

export async function startEdge(edge: EdgeOptions): Promise<Edge> {
  const { binary, variant, receivers = [], tls } = edge;
  const folder = await temporaryFolder('edge');
  const [gateway = 0, adminPort = 0, filter = 0, bridgePort = 0] = await freePorts(4);
  const flags = {
    data: folder.path,
    gateway: { port: gateway, ...(tls && { tls }) },
    filter: { port: filter, bridgePort },
  };
  const config = readConfig({ env: {}, cwd: folder.path, flags });
  if (!config.ok) throw new Error(config.problems[0]?.message);
  const snapshot = new Latest<Snapshot | undefined>(undefined);
  const started = await startXdsServer({
    ...{ host: '127.0.0.1', port: 0, snapshots: () => snapshot, receivers },
    ...{ metrics: createMetrics(), clock: systemClock, log: silentLog },
  });
  if (!started.ok) throw new Error(started.problems[0]?.message);
  const xds = started.value;
  const fleet = new Latest<Fleet>(emptyFleet);
  const register: Edge['register'] = (registrations, { rollouts = [], probes } = {}) => {
    const documents = rollouts.map((each) => [each.current.service, each] as const);
    const reports = [{ ...report('file', registrations), rollouts: new Map(documents) }];
    const previous = { fleet: fleet.value, snapshot: snapshot.value };
    const settings = config.value;
    const secrets = { credentials: undefined, gateway: gatewayFiles(settings) };
    const made = translate({ reports, probes: probes ?? new Map(), settings, secrets, previous });
    const wrong = made.problems.find(({ severity }) => severity === 'error');
    if (wrong) throw new Error(wrong.message);
    fleet.set(made.fleet);
    snapshot.set(made.snapshot);
  };
  const bootstrap = join(folder.path, 'envoy.yaml');
  const where = [{ host: '127.0.0.1', port: xds.port }];
  await writeFile(bootstrap, bootstrapOf({ node: 'edge', xds: where, adminPort, variant }));
  const options = ['--use-dynamic-base-id', '--concurrency', '2', '--log-level', 'warn'];
  const envoy = startChild(binary, ['-c', bootstrap, ...options]);
  const admin = `http://127.0.0.1:${adminPort}`;
  await whenReady(envoy, async () => (await fetch(`${admin}/server_info`)).ok);
  return {
    ...{ gateway: `http://127.0.0.1:${gateway}`, admin, xds, snapshot, fleet, register },
    settled: () =>
      eventually('Envoy holds the snapshot', () => {
        const refused = xds.nodes.problems().map(({ message }) => message);
        if (refused.length > 0) throw new Error(refused.join('\n'));
        const kinds = Object.values(xds.nodes.list()[0]?.kinds ?? {});
        return kinds.length === (tls ? 5 : 4) && kinds.every(({ settled }) => settled);
      }),
    output: () => envoy.output(),
    async stop() {
      await envoy.stop();
      await xds.stop(500);
      await folder.remove();
    },
  };
}

export interface Backend {
  readonly port: number;
  /** Calls that were served, health checks aside. */
  readonly calls: () => number;
  stop(): Promise<void>;
}

/** An MCP server at its barest: it answers every call with its own port. */
export async function startBackend(): Promise<Backend> {
  let calls = 0;
  const server = createHttpServer((request, response) => {
    const { port } = server.address() as AddressInfo;
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const text = Buffer.concat(parts).toString();
      if (!text.includes('"ping"')) calls += 1;
      response.setHeader('content-type', 'application/json');
      response.end(`{"jsonrpc":"2.0","id":1,"result":{"port":${port}}}`);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    calls: () => calls,
    stop: () => end(server),
  };
}

async function end(server: ReturnType<typeof createHttpServer>): Promise<void> {
  server.closeAllConnections();
  await once(server.close(), 'close');
}
