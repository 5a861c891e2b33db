/** A server in the test's own process that tells of its changes, in one era, or refuses to. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { legacyRevision, modernRevision } from '../../../src/mcp_wire.js';
import { localServer, messageOf, sendJson } from '../mcp/local_server.js';

export interface TellingServer {
  readonly port: number;
  readonly tools: string[];
  /** Every method it was asked, in order; `GET` and `DELETE` too. */
  readonly asked: string[];
  /** The streams that are open. */
  readonly streams: Set<ServerResponse>;
  /** What it answers to those who want to listen; 0: a stream. */
  refuses: number;
  tell(times?: number): void;
  close(): Promise<void>;
}

const capabilities = { tools: { listChanged: true } };
const line = (message: object) => `data: ${JSON.stringify({ jsonrpc: '2.0', ...message })}\n\n`;
const changed = line({ method: 'notifications/tools/list_changed' });

export async function tellingServer(era: 'modern' | 'legacy'): Promise<TellingServer> {
  const asked: string[] = [];
  const tools = ['first'];
  const streams = new Set<ServerResponse>();
  const server = await localServer((request, response) => void answer(request, response));

  const results: Readonly<Record<string, () => object>> = {
    ...(era === 'modern'
      ? { 'server/discover': () => ({ supportedVersions: [modernRevision], capabilities }) }
      : { initialize: () => ({ protocolVersion: legacyRevision, capabilities, serverInfo: {} }) }),
    'tools/list': () => ({ tools: tools.map((name) => ({ name })) }),
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { id, method } =
      request.method === 'POST'
        ? await messageOf(request)
        : { id: undefined, method: request.method ?? '' };
    asked.push(method);
    if (method === (era === 'modern' ? 'subscriptions/listen' : 'GET')) stream(response, id);
    else if (id === undefined) response.writeHead(202).end();
    else {
      const result = results[method]?.();
      const error = { code: -32601, message: 'no' };
      if (result) sendJson(response, { id, result }, { headers: { 'mcp-session-id': 's1' } });
      else sendJson(response, { id, error }, { status: 400 });
    }
  }

  function stream(response: ServerResponse, id: string | number | undefined): void {
    if (it.refuses > 0) {
      const error = { code: -32601, message: 'no' };
      sendJson(response, { id, error }, { status: it.refuses });
      return;
    }
    streams.add(response);
    response.once('close', () => streams.delete(response));
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    const params = { notifications: { toolsListChanged: true } };
    if (era === 'modern')
      response.write(line({ method: 'notifications/subscriptions/acknowledged', params }));
  }

  const it: TellingServer = {
    ...{ port: Number(new URL(server.url).port), tools, asked, streams, refuses: 0 },
    tell(times = 1) {
      for (const each of streams) each.write(changed.repeat(times));
    },
    close: async () => server.close(),
  };
  return it;
}
