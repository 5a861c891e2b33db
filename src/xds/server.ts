/**
 * The gRPC face of xDS: aggregated discovery in both variants.
 *
 * Messages pass as raw buffers, so that one encoding serves every stream.
 */
import { Server, ServerCredentials, status, type ServerDuplexStream } from '@grpc/grpc-js';
import type { Clock } from '../clock.js';
import { succeeded, type Outcome } from '../errors.js';
import type { Latest } from '../latest.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import { discoveryService } from '../protos.js';
import { Audiences, type Snapshots } from './audiences.js';
import { followConvictions } from './convictions.js';
import type { IdentityPolicy } from './identity.js';
import type { KeptRefusals } from './kept_refusals.js';
import { defaultLimits, type Limits } from './limits.js';
import { addReceivers, peerOf, type Receiver } from './receivers.js';
import { listen, type TlsMaterial } from './listening.js';
import { NameBudget } from './name_budget.js';
import { Nodes } from './nodes.js';
import { sharedNumbering } from './response.js';
import type { Ending, Sink } from './stream.js';
import { Turns } from './turns.js';
import { Sockets } from './sockets.js';
import { Streams } from './streams.js';
import type { Variant } from './subscription.js';

interface XdsOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly snapshots: Snapshots;
  /** Without it connections are plain. New material is for new connections. */
  readonly tls?: Latest<TlsMaterial>;
  /** Who may say what of itself; everybody anything, unless set. */
  readonly identity?: IdentityPolicy;
  /** Those that differ from the defaults. */
  readonly limits?: Partial<Limits>;
  /** Where it is kept what is known to be refused; nowhere, unless said. */
  readonly refusals?: KeptRefusals;
  /** What else Envoys send to this port. */
  readonly receivers?: readonly Receiver[];
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

type Call = ServerDuplexStream<Buffer, Buffer>;

export async function startXdsServer(options: XdsOptions): Promise<Outcome<XdsServer>> {
  const limits = { ...defaultLimits, ...options.limits };
  const server = new Server(grpcOptions(limits));
  const convictions = followConvictions(options);
  const nodes = new Nodes(options.metrics, options.clock, convictions);
  const { metrics, clock, log, identity = 'any' } = options;
  const audiences = new Audiences(convictions.publishedTo);
  const shared = { limits, nodes, metrics, clock, log, audiences, identity };
  const names = new NameBudget(limits);
  const numbered = sharedNumbering();
  const streams = new Streams({ ...shared, names, numbered, turns: new Turns() });
  const sockets = new Sockets();
  const carried = { streams, sockets, graceMs: limits.connectionGraceMs };
  const { StreamAggregatedResources, DeltaAggregatedResources } = discoveryService();
  server.addService(
    { whole: raw(StreamAggregatedResources.path), delta: raw(DeltaAggregatedResources.path) },
    {
      whole: (call: Call) => carry(call, 'state of the world', carried),
      delta: (call: Call) => carry(call, 'incremental', carried),
    },
  );
  const { receivers = [] } = options;
  addReceivers(server, receivers, { identity, clock, metrics, log });
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  // Without a certificate one may make the calls that are for anybody, where streams ask for one.
  const strangers = identity !== 'any' && receivers.some(({ from }) => from === 'anybody');
  const listening = await listen({ ...options, strangers, limits }, (socket) => {
    sockets.keep(socket);
    injector.injectConnection(socket);
  });
  if (!listening.ok) {
    streams.drain(0);
    server.forceShutdown();
    return listening;
  }
  const { port } = listening.value;
  log.info({ host: options.host, port }, 'xDS is served');
  const stop = async (deadlineMs = 5_000) => {
    listening.value.close();
    const ended = shutdown(server, deadlineMs);
    streams.drain(deadlineMs * 0.7);
    await ended;
    await options.refusals?.close();
  };
  return succeeded({ port, nodes, stop });
}

const grpcOptions = (limits: Limits) => ({
  'grpc.keepalive_time_ms': limits.keepaliveMs,
  'grpc.keepalive_timeout_ms': limits.keepaliveAnswerMs,
  // grpc-js itself adds the jitter of a tenth.
  'grpc.max_connection_age_ms': limits.connectionAgeMs,
  'grpc.max_connection_age_grace_ms': limits.connectionGraceMs,
  'grpc.max_connection_idle_ms': limits.connectionIdleMs,
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
  identity: status.PERMISSION_DENIED,
  'too much': status.RESOURCE_EXHAUSTED,
  stopping: status.UNAVAILABLE,
};

interface Carried {
  readonly streams: Streams;
  readonly sockets: Sockets;
  readonly graceMs: number;
}

function carry(call: Call, variant: Variant, { streams, sockets, graceMs }: Carried): void {
  const address = call.getPeer();
  const cut = () => sockets.cut(address);
  const sink: Sink = {
    address,
    peer: peerOf(call),
    variant,
    write: (bytes, taken) => void call.write(bytes, taken),
    end: ({ because, reason }) => {
      call.emit('error', { code: codes[because], details: reason });
      // The end stands behind what was written; whoever reads nothing would never come to it.
      const grace = setTimeout(cut, graceMs).unref();
      call.once('close', () => clearTimeout(grace));
    },
    cut,
  };
  const stream = streams.open(sink);
  call.on('data', (bytes: Buffer) => stream.receive(bytes));
  call.on('end', () => call.end());
  for (const event of ['end', 'error']) call.on(event, () => stream.left());
  for (const event of ['cancelled', 'close']) call.on(event, () => stream.gone());
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
