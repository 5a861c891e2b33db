/**
 * The gRPC face of xDS: aggregated discovery in both variants.
 *
 * Messages pass as raw buffers, so that one encoding serves every stream. The
 * port is listened on by a server of our own, because the one of grpc-js has
 * a backlog too short for a fleet that reconnects at once.
 */
import { createServer, type AddressInfo, type Server as SocketServer } from 'node:net';
import { Server, ServerCredentials, status, type ServerDuplexStream } from '@grpc/grpc-js';
import type { Clock } from '../clock.js';
import { failed, problem, reasonOf, succeeded, type Outcome } from '../errors.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import { discoveryService } from '../protos.js';
import { defaultLimits, type Limits } from './limits.js';
import { Nodes } from './nodes.js';
import { sharedNumbering } from './response.js';
import type { Ending, Sink } from './stream.js';
import { Streams, type Snapshots } from './streams.js';
import type { Variant } from './subscription.js';

interface XdsOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Undefined until the first snapshot: until then nothing is sent. */
  readonly snapshots: Snapshots;
  /** Those that differ from the defaults. */
  readonly limits?: Partial<Limits>;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
}

export interface XdsServer {
  readonly port: number;
  readonly nodes: Nodes;
  /**
   * Takes nobody in any more, tells every client to go elsewhere, ends the
   * streams one by one, and resolves when the port is free: at the latest
   * after the deadline.
   */
  stop(deadlineMs?: number): Promise<void>;
}

const listenBacklog = 4096;

type Call = ServerDuplexStream<Buffer, Buffer>;

export async function startXdsServer(options: XdsOptions): Promise<Outcome<XdsServer>> {
  const limits = { ...defaultLimits, ...options.limits };
  const server = new Server(grpcOptions(limits));
  const nodes = new Nodes(options.metrics, options.clock);
  const { metrics, clock, log, snapshots } = options;
  const context = {
    ...{ limits, nodes, metrics, clock, log, numbered: sharedNumbering() },
    snapshotFor: (audience: keyof Snapshots) => snapshots[audience].value,
  };
  const streams = new Streams(context, snapshots);
  const { StreamAggregatedResources, DeltaAggregatedResources } = discoveryService();
  server.addService(
    { whole: raw(StreamAggregatedResources.path), delta: raw(DeltaAggregatedResources.path) },
    {
      whole: (call: Call) => carry(call, 'state of the world', streams),
      delta: (call: Call) => carry(call, 'incremental', streams),
    },
  );
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const sockets = createServer((socket) => {
    socket.setNoDelay(true);
    injector.injectConnection(socket);
  });
  const port = await listen(sockets, options);
  if (!port.ok) {
    streams.drain(0);
    server.forceShutdown();
    return port;
  }
  log.info({ host: options.host, port: port.value }, 'xDS is served');
  const stop = async (deadlineMs = 5_000) => {
    sockets.close();
    const ended = shutdown(server, deadlineMs);
    streams.drain(deadlineMs * 0.7);
    await ended;
  };
  return succeeded({ port: port.value, nodes, stop });
}

const grpcOptions = (limits: Limits) => ({
  'grpc.keepalive_time_ms': limits.keepaliveMs,
  'grpc.keepalive_timeout_ms': limits.keepaliveAnswerMs,
  // grpc-js itself adds the jitter of a tenth.
  'grpc.max_connection_age_ms': limits.connectionAgeMs,
  'grpc.max_connection_age_grace_ms': limits.connectionGraceMs,
  'grpc.max_concurrent_streams': limits.streamsPerConnection,
  'grpc.max_receive_message_length': limits.requestBytes,
  'grpc.enable_channelz': 0,
});

function raw(path: string) {
  const pass = (bytes: Buffer) => bytes;
  return {
    path,
    requestStream: true,
    responseStream: true,
    requestSerialize: pass,
    requestDeserialize: pass,
    responseSerialize: pass,
    responseDeserialize: pass,
  };
}

const codes: Readonly<Record<Ending['because'], status>> = {
  invalid: status.INVALID_ARGUMENT,
  'too much': status.RESOURCE_EXHAUSTED,
  stopping: status.UNAVAILABLE,
};

function carry(call: Call, variant: Variant, streams: Streams): void {
  const sink: Sink = {
    address: call.getPeer(),
    variant,
    write: (bytes) => void call.write(bytes),
    end: ({ because, reason }) =>
      void call.emit('error', { code: codes[because], details: reason }),
  };
  const closed = streams.open(sink, (stream) => {
    call.on('data', (bytes: Buffer) => stream.receive(bytes));
    call.on('end', () => call.end());
  });
  for (const event of ['end', 'error', 'cancelled', 'close']) call.on(event, closed);
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
