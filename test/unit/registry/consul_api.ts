/** Answers as Consul's HTTP API would, or as it never should: what a test puts on each path. */
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

export interface ConsulAnswer {
  readonly status?: number;
  /** JSON, or text when it is a string. */
  readonly body: unknown;
  /** 7 unless told; '' leaves the header out. */
  readonly index?: string;
  readonly leader?: boolean;
  /** Answers a blocking query at once, although nothing is new. */
  readonly hasty?: boolean;
}

export interface ConsulApi {
  readonly address: string;
  /** How often each path was asked. */
  readonly asked: Map<string, number>;
  /** From now on `path` is answered so; who waits there is answered too. */
  answer(path: string, answer: ConsulAnswer): void;
  close(): Promise<void>;
}

const silence: ConsulAnswer = { body: [] };

/** Heard and empty until told otherwise. */
export async function startConsulApi(): Promise<ConsulApi> {
  const answers = new Map<string, ConsulAnswer>([['/v1/catalog/services', { body: {} }]]);
  const waiting = new Map<string, Set<() => void>>();
  const asked = new Map<string, number>();
  const server: Server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://consul');
    const path = url.pathname;
    asked.set(path, (asked.get(path) ?? 0) + 1);
    const give = (): void => {
      const { status = 200, body, index = '7', leader = true } = answers.get(path) ?? silence;
      const isText = typeof body === 'string';
      response.writeHead(status, {
        'content-type': isText ? 'text/html' : 'application/json',
        'x-consul-knownleader': String(leader),
        ...(index === '' ? {} : { 'x-consul-index': index }),
      });
      response.end(isText ? body : JSON.stringify(body));
    };
    const present = answers.get(path) ?? silence;
    const isNew = url.searchParams.get('index') !== (present.index ?? '7');
    if (isNew || present.hasty === true) {
      give();
      return;
    }
    const others = waiting.get(path) ?? new Set();
    waiting.set(path, others.add(give));
    request.on('close', () => others.delete(give));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    answer(path, answer) {
      answers.set(path, answer);
      const woken = [...(waiting.get(path) ?? [])];
      waiting.delete(path);
      for (const give of woken) give();
    },
    async close() {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}
