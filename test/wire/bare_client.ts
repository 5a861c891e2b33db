/** HTTP/2 itself, because grpc-js hides the word that a connection is to end. */
import { once } from 'node:events';
import {
  connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
} from 'node:http2';
import { discoveryService, encode } from '../../src/protos.js';
import { typeUrls } from '../../src/snapshot/snapshot.js';
import { envoyNode } from './client.js';

export class BareClient {
  readonly events: string[] = [];
  readonly #session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;
  readonly sentAway: Promise<unknown>;
  readonly closed: Promise<unknown>;

  /** `lingers`: it never ends its own half of the stream, which holds a stop up to its deadline. */
  constructor(port: number, { lingers = false } = {}) {
    this.#session = connect(`http://127.0.0.1:${port}`);
    this.#session.on('error', () => undefined);
    this.sentAway = once(this.#session, 'goaway').then(() => this.events.push('goaway'));
    this.closed = once(this.#session, 'close').then(() => this.events.push('closed'));
    const { path } = discoveryService().DeltaAggregatedResources;
    this.#stream = this.#session.request({
      ...{ ':method': 'POST', ':path': path, te: 'trailers' },
      'content-type': 'application/grpc',
    });
    this.#stream.on('error', () => undefined);
    this.#stream.on('trailers', (trailers: IncomingHttpHeaders) => {
      this.events.push(`ended with ${String(trailers['grpc-status'])}`);
      if (!lingers) this.#stream.end();
    });
    this.#stream.resume();
  }

  async begin(): Promise<void> {
    const request = encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', {
      type_url: typeUrls.cluster,
      node: envoyNode('bare'),
    });
    const frame = Buffer.alloc(5 + request.length);
    frame.writeUInt32BE(request.length, 1);
    request.copy(frame, 5);
    this.#stream.write(frame);
    await once(this.#stream, 'data');
  }

  close(): void {
    this.#session.destroy();
  }
}
