/** Real gRPC clients of the aggregated streams, that say exactly what a test says. */
import {
  Client,
  credentials,
  type ChannelCredentials,
  type ClientDuplexStream,
  type ClientOptions,
  type StatusObject,
} from '@grpc/grpc-js';
import { decode, discoveryService, encode, type Input, type Output } from '../../src/protos.js';
import type { Variant } from '../../src/xds/subscription.js';
import { typeUrls, type ResourceKind } from '../../src/snapshot/snapshot.js';

export type Response = Output<'envoy.service.discovery.v3.DeltaDiscoveryResponse'>;
type Request = Input<'envoy.service.discovery.v3.DeltaDiscoveryRequest'>;

const kinds = new Map<string | undefined, ResourceKind>(
  Object.entries(typeUrls).map(([kind, url]) => [url, kind as ResourceKind]),
);

export interface RawClientOptions extends ClientOptions {
  /** Without TLS, unless said. */
  readonly as?: ChannelCredentials;
}

/** A stream of raw messages of either variant. */
export class RawClient {
  readonly #client: Client;
  protected readonly call: ClientDuplexStream<Buffer, Buffer>;
  readonly #arrived: Buffer[] = [];
  readonly #wakers: (() => void)[] = [];
  readonly ended: Promise<StatusObject>;

  constructor(port: number, variant: Variant, { as, ...options }: RawClientOptions = {}) {
    const pass = (bytes: Buffer) => bytes;
    const shown = as ?? credentials.createInsecure();
    const named = { 'grpc.ssl_target_name_override': 'localhost', ...options };
    this.#client = new Client(`127.0.0.1:${port}`, shown, as ? named : options);
    const { DeltaAggregatedResources, StreamAggregatedResources } = discoveryService();
    const { path } =
      variant === 'incremental' ? DeltaAggregatedResources : StreamAggregatedResources;
    this.call = this.#client.makeBidiStreamRequest(path, pass, pass);
    this.call.on('data', (bytes: Buffer) => {
      this.#arrived.push(bytes);
      for (const wake of this.#wakers.splice(0)) wake();
    });
    this.call.on('error', () => undefined);
    this.ended = new Promise((resolve) => this.call.on('status', resolve));
  }

  sendBytes(bytes: Buffer): void {
    this.call.write(bytes);
  }

  /** Reads nothing more: what is sent fills the windows of the connection. */
  stopReading(): void {
    this.call.pause();
  }

  /** The next message, in the order of arrival. */
  protected async nextBytes(): Promise<Buffer> {
    for (;;) {
      const bytes = this.#arrived.shift();
      if (bytes) return bytes;
      await new Promise<void>((wake) => this.#wakers.push(wake));
    }
  }

  /** How many responses lie unread. */
  get unread(): number {
    return this.#arrived.length;
  }

  close(): void {
    this.call.cancel();
    this.#client.close();
  }
}

/** Who Envoy says it is: an edge, or the sidecar of a service. */
export const envoyNode = (id: string, sidecarOf?: string): Request['node'] => ({
  id,
  cluster: 'edge',
  ...(sidecarOf !== undefined && {
    metadata: {
      fields: {
        ...{ role: { stringValue: 'sidecar' }, service: { stringValue: sidecarOf } },
        inbound: { stringValue: '127.0.0.1:3443' },
        outbound: { stringValue: '127.0.0.1:15001' },
      },
    },
  }),
  user_agent_name: 'envoy',
  user_agent_build_version: { version: { major_number: 1, minor_number: 40 } },
});

export class WireClient extends RawClient {
  constructor(port: number, options: RawClientOptions = {}) {
    super(port, 'incremental', options);
  }

  /** The first request of a stream, as Envoy writes it. */
  begin(kind: ResourceKind, more: Request = {}, id = 'edge-1'): void {
    this.send({ type_url: typeUrls[kind], node: envoyNode(id), ...more });
  }

  ask(kind: ResourceKind, more: Request = {}): void {
    this.send({ type_url: typeUrls[kind], ...more });
  }

  send(request: Request): void {
    this.sendBytes(encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', request));
  }

  acknowledge(response: Response, more: Request = {}): void {
    this.send({ type_url: response.type_url, response_nonce: response.nonce, ...more });
  }

  refuse(response: Response, message: string): void {
    this.acknowledge(response, { error_detail: { code: 13, message } });
  }

  async next(): Promise<Response> {
    const bytes = await this.nextBytes();
    return decode('envoy.service.discovery.v3.DeltaDiscoveryResponse', bytes);
  }
}

/** `cluster +a -b`: what a response says, for short. */
export function summary(response: Response): string {
  const present = (response.resources ?? []).map(({ name }) => `+${name ?? ''}`);
  const gone = (response.removed_resources ?? []).map((name) => `-${name}`);
  return [kinds.get(response.type_url) ?? '?', ...present, ...gone].join(' ');
}
