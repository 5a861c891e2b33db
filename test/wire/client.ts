/** A real gRPC client of the aggregated, incremental stream, that says exactly what a test says. */
import { Client, credentials, type ClientDuplexStream, type StatusObject } from '@grpc/grpc-js';
import { decode, discoveryService, encode, type Input, type Output } from '../../src/protos.js';
import { typeUrls, type ResourceKind } from '../../src/snapshot/snapshot.js';

export type Response = Output<'envoy.service.discovery.v3.DeltaDiscoveryResponse'>;
type Request = Input<'envoy.service.discovery.v3.DeltaDiscoveryRequest'>;

const kinds = new Map<string | undefined, ResourceKind>(
  Object.entries(typeUrls).map(([kind, url]) => [url, kind as ResourceKind]),
);

export class WireClient {
  readonly #client: Client;
  readonly #call: ClientDuplexStream<Buffer, Buffer>;
  readonly #arrived: Response[] = [];
  readonly #wakers: (() => void)[] = [];
  readonly ended: Promise<StatusObject>;

  constructor(port: number) {
    const pass = (bytes: Buffer) => bytes;
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    const { path } = discoveryService().DeltaAggregatedResources;
    this.#call = this.#client.makeBidiStreamRequest(path, pass, pass);
    this.#call.on('data', (bytes: Buffer) => {
      this.#arrived.push(decode('envoy.service.discovery.v3.DeltaDiscoveryResponse', bytes));
      for (const wake of this.#wakers.splice(0)) wake();
    });
    this.#call.on('error', () => undefined);
    this.ended = new Promise((resolve) => this.#call.on('status', resolve));
  }

  /** The first request of a stream, as Envoy writes it. */
  begin(kind: ResourceKind, more: Request = {}, id = 'edge-1'): void {
    const node = {
      id,
      cluster: 'edge',
      user_agent_name: 'envoy',
      user_agent_build_version: { version: { major_number: 1, minor_number: 40 } },
    };
    this.send({ type_url: typeUrls[kind], node, ...more });
  }

  ask(kind: ResourceKind, more: Request = {}): void {
    this.send({ type_url: typeUrls[kind], ...more });
  }

  send(request: Request): void {
    this.sendBytes(encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', request));
  }

  sendBytes(bytes: Buffer): void {
    this.#call.write(bytes);
  }

  acknowledge(response: Response, more: Request = {}): void {
    this.send({ type_url: response.type_url, response_nonce: response.nonce, ...more });
  }

  refuse(response: Response, message: string): void {
    this.acknowledge(response, { error_detail: { code: 13, message } });
  }

  /** The next response, in the order of arrival. */
  async next(): Promise<Response> {
    for (;;) {
      const response = this.#arrived.shift();
      if (response) return response;
      await new Promise<void>((wake) => this.#wakers.push(wake));
    }
  }

  /** How many responses lie unread. */
  get unread(): number {
    return this.#arrived.length;
  }

  close(): void {
    this.#call.cancel();
    this.#client.close();
  }
}

/** `cluster +a -b`: what a response says, for short. */
export function summary(response: Response): string {
  const present = (response.resources ?? []).map(({ name }) => `+${name ?? ''}`);
  const gone = (response.removed_resources ?? []).map((name) => `-${name}`);
  return [kinds.get(response.type_url) ?? '?', ...present, ...gone].join(' ');
}
