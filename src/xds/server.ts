/**
 * The gRPC face of xDS: aggregated, incremental discovery.
 *
 * Messages pass as raw buffers, so that one encoding serves every stream. The
 * port is listened on by a server of our own, because the one of grpc-js has
 * a backlog too short for a fleet that reconnects at once.
 */
import { createServer, type AddressInfo, type Server as SocketServer } from 'node:net';
import { Server, ServerCredentials, status, type ServerDuplexStream } from '@grpc/grpc-js';
import type { Clock } from '../clock.js';
import { failed, problem, reasonOf, succeeded, type Outcome } from '../errors.js';
import type { Latest } from '../latest.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import { discoveryService } from '../protos.js';
import type { Audience } from '../snapshot/audience.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import { changesBetween } from './changes.js';
import { Nodes } from './nodes.js';
import { Stream, type StreamContext } from './stream.js';

interface XdsOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Undefined until the first snapshot: until then nothing is sent. */
  readonly snapshots: Readonly<Record<Audience, Latest<Snapshot | undefined>>>;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
}

export interface XdsServer {
  readonly port: number;
  readonly nodes: Nodes;
  /** Ends every stream and resolves when the port is free, at the latest after the deadline. */
  stop(deadlineMs?: number): Promise<void>;
}

const listenBacklog = 4096;
const grpcOptions = {
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
};

type Call = ServerDuplexStream<Buffer, Buffer>;

export async function startXdsServer(options: XdsOptions): Promise<Outcome<XdsServer>> {
  const server = new Server(grpcOptions);
  const nodes = new Nodes(options.metrics, options.clock);
  const calls = new Map<Stream, Call>();
  const context = contextOf(options, nodes);
  server.addService(rawService(), {
    deltaAggregatedResources: (call: Call) => carry(call, calls, context),
  });
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const sockets = createServer((socket) => {
    socket.setNoDelay(true);
    injector.injectConnection(socket);
  });
  const port = await listen(sockets, options);
  if (!port.ok) {
    server.forceShutdown();
    return port;
  }
  const unsubscribe = publishTo(calls, options.snapshots);
  options.log.info({ host: options.host, port: port.value }, 'xDS is served');
  const stop = async (deadlineMs = 2_000) => {
    unsubscribe();
    sockets.close();
    for (const call of calls.values())
      call.emit('error', { code: status.UNAVAILABLE, details: 'the control plane is stopping' });
    await shutdown(server, deadlineMs);
  };
  return succeeded({ port: port.value, nodes, stop });
}

function contextOf({ snapshots, metrics, log }: XdsOptions, nodes: Nodes): StreamContext {
  // One counter for all streams: a nonce of another stream never fits.
  let responses = 0;
  return {
    snapshotFor: (audience) => snapshots[audience].value,
    nextNonce: () => (++responses).toString(36),
    nodes,
    metrics,
    log,
  };
}

function rawService() {
  const { path } = discoveryService().DeltaAggregatedResources;
  const pass = (bytes: Buffer) => bytes;
  return {
    deltaAggregatedResources: {
      path,
      requestStream: true,
      responseStream: true,
      requestSerialize: pass,
      requestDeserialize: pass,
      responseSerialize: pass,
      responseDeserialize: pass,
    },
  };
}

function carry(call: Call, calls: Map<Stream, Call>, context: StreamContext): void {
  const sink = {
    write: (bytes: Buffer) => void call.write(bytes),
    refuse: (details: string) =>
      void call.emit('error', { code: status.INVALID_ARGUMENT, details }),
  };
  const stream = new Stream(sink, call.getPeer(), context);
  const close = () => {
    calls.delete(stream);
    stream.close();
  };
  calls.set(stream, call);
  call.on('data', (bytes: Buffer) => stream.receive(bytes));
  call.on('end', () => call.end());
  for (const event of ['end', 'error', 'cancelled', 'close']) call.on(event, close);
}

function publishTo(calls: ReadonlyMap<Stream, Call>, snapshots: XdsOptions['snapshots']) {
  const stops = (Object.keys(snapshots) as Audience[]).map((audience) => {
    let previous: Snapshot | undefined;
    return snapshots[audience].subscribe((snapshot) => {
      if (!snapshot) return;
      const changes = changesBetween(previous, snapshot);
      previous = snapshot;
      for (const stream of calls.keys())
        if (stream.audience === audience) stream.publish(snapshot, changes);
    });
  });
  return () => stops.forEach((stop) => stop());
}

async function listen(sockets: SocketServer, options: XdsOptions): Promise<Outcome<number>> {
  const { host, port } = options;
  try {
    await new Promise<void>((resolve, reject) => {
      sockets.once('error', reject);
      sockets.listen({ host, port, backlog: listenBacklog }, () => {
        sockets.off('error', reject);
        resolve();
      });
    });
    return succeeded((sockets.address() as AddressInfo).port);
  } catch (error) {
    const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    const what = inUse ? 'is already in use' : `cannot be listened on (${reasonOf(error)})`;
    const advice = 'Stop what listens there, or set another one: `xds.port` in mcpx.yaml.';
    const message = `Port ${port} of ${host}, for xDS, ${what}. ${advice}`;
    return failed(problem(inUse ? 'port_in_use' : 'config_invalid', { path: 'xds.port' }, message));
  }
}

async function shutdown(server: Server, deadlineMs: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const deadline = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, deadlineMs);
    server.tryShutdown(() => {
      clearTimeout(deadline);
      resolve();
    });
  });
}
