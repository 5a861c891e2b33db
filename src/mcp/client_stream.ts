/**
 * Streams of events to clients that wait for news: the GET stream of a legacy
 * session and a modern `subscriptions/listen`. Events carry no ids: they name
 * what changed, so who was away asks anew instead of resuming.
 */
import type { ServerResponse } from 'node:http';

/** Below the patience of the proxies and load balancers between. */
const keepAliveMs = 15_000;

/** A client that reads no more must not fill our memory. */
const queuedBytesMax = 4 * 1024 * 1024;

const headers = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
};

export class ClientStream {
  readonly #ended = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(private readonly response: ServerResponse) {
    response.writeHead(200, headers).flushHeaders();
    this.#timer = setInterval(() => this.#write(': alive\n\n'), keepAliveMs);
    response.once('close', () => this.end());
  }

  /** Aborted when the client has left or the stream was ended. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** `message` is JSON. */
  send(message: string): void {
    this.#write(`data: ${message}\n\n`);
  }

  end(): void {
    if (this.ended.aborted) return;
    clearInterval(this.#timer);
    this.#ended.abort();
    this.response.end();
  }

  #write(text: string): void {
    if (this.ended.aborted) return;
    this.response.write(text);
    if (this.response.writableLength > queuedBytesMax) this.response.destroy();
  }
}

const streamsMax = 10_000;

/** All that are open now. */
export class ClientStreams {
  readonly #open = new Set<ClientStream>();
  /** By session key. */
  readonly #ofSession = new Map<string, ClientStream>();

  /** Undefined when there are too many. */
  open(response: ServerResponse): ClientStream | undefined {
    if (this.#open.size >= streamsMax) return undefined;
    const stream = new ClientStream(response);
    this.#open.add(stream);
    stream.ended.addEventListener('abort', () => this.#open.delete(stream), { once: true });
    return stream;
  }

  /** A session has one stream: the newest, for the client may have lost the one before. */
  claim(key: string, stream: ClientStream): void {
    this.endOf(key);
    this.#ofSession.set(key, stream);
    const leave = () => {
      if (this.#ofSession.get(key) === stream) this.#ofSession.delete(key);
    };
    stream.ended.addEventListener('abort', leave, { once: true });
  }

  endOf(key: string): void {
    this.#ofSession.get(key)?.end();
  }
}
