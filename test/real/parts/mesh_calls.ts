/** What the tests of edges and sidecars ask of them: what they hold, calls in sessions, streams. */
import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import { expect } from 'chai';
import type { LocalServer } from './local_server.js';
import type { Node } from './mesh.js';

interface Held {
  readonly clusters: readonly string[];
  readonly assignments: readonly string[];
  readonly listeners: readonly string[];
  readonly secrets: readonly string[];
}

/** What Envoy says it holds, besides its bootstrap. */
export async function heldBy(node: Node): Promise<Held> {
  const { configs } = JSON.parse(await node.dump()) as { configs: Record<string, object[]>[] };
  const named = (list: string, inner: string, name = 'name') =>
    configs
      .flatMap((config) => config[list] ?? [])
      .map(
        (entry) =>
          Reflect.get(inner === '' ? entry : (Reflect.get(entry, inner) as object), name) as string,
      )
      .sort();
  return {
    clusters: named('dynamic_active_clusters', 'cluster'),
    assignments: named('dynamic_endpoint_configs', 'endpoint_config', 'cluster_name'),
    listeners: named('dynamic_listeners', ''),
    secrets: named('dynamic_active_secrets', ''),
  };
}

export const sidecarNode = (id: string, service: string) => {
  const said = { role: 'sidecar', service, inbound: '127.0.0.1:3443', outbound: '127.0.0.1:15001' };
  const fields = Object.entries(said).map(([key, stringValue]) => [key, { stringValue }]);
  return { id, metadata: { fields: Object.fromEntries(fields) as Record<string, object> } };
};

export async function listeningAt(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
}

interface Chunk {
  readonly value: Uint8Array;
  readonly done: boolean;
}

/** An open stream of events; `hears` fails when it was cut. */
export async function listening(url: string, server: LocalServer) {
  const ended = new AbortController();
  const answer = await fetch(url, {
    headers: { accept: 'text/event-stream' },
    signal: ended.signal,
  });
  expect(answer.status).to.equal(200);
  const reader = answer.body!.getReader();
  const next = async (word: string) => {
    for (let text = ''; !text.includes(word);) {
      const { value = [], done } = (await reader.read()) as Partial<Chunk>;
      if (done) throw new Error(`the stream of ${url} was cut`);
      text += Buffer.from(value).toString();
    }
  };
  await next(': open');
  return {
    async hears() {
      server.tell();
      await next('data:');
    },
    end: () => ended.abort(),
  };
}

/** One call after the other, in one session. */
export function constantCalls(url: string) {
  let [done, isOver] = [0, false];
  const failures: string[] = [];
  const calls = (async () => {
    const { session, port } = await begin(url);
    while (!isOver) {
      const answer = await calling(url, session).catch((error: unknown) => String(error));
      if (typeof answer === 'string' || answer.port !== port) failures.push(JSON.stringify(answer));
      done += 1;
    }
  })();
  return {
    async end() {
      isOver = true;
      await calls;
      return { done, failures };
    },
  };
}

async function posted(url: string, method: string, session?: string) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: {
      ...{ 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      ...(session !== undefined && { 'mcp-session-id': session }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method }),
  });
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`${answer.status} ${text}`);
  const { result } = JSON.parse(text) as { result: { port: number } };
  return { port: result.port, session: answer.headers.get('mcp-session-id') ?? '' };
}

export const begin = (url: string) => posted(url, 'initialize');
export const calling = (url: string, session: string) => posted(url, 'tools/list', session);
