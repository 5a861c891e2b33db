/** A small MCP server in the test's own process that can be told what to say, and remembers. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { legacyRevision, modernRevision } from '../../../src/mcp_wire.js';
import { localServer, messageOf, sendJson, type Received } from '../mcp/local_server.js';

type Result = Readonly<Record<string, unknown>>;

export interface Spoken {
  /** Method → its result; what is not here is refused as unknown. */
  readonly results: Record<string, (params: Result) => Result>;
  /** Every method it was asked, in order; `DELETE` for the end of a session. */
  readonly asked: string[];
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

const capabilities = { tools: {} };

export const modernResults = (...tools: readonly string[]): Spoken['results'] => ({
  'server/discover': () => ({ supportedVersions: [modernRevision], capabilities }),
  'tools/list': () => ({ tools: tools.map((name) => ({ name })) }),
});

export const legacyResults = (...tools: readonly string[]): Spoken['results'] => ({
  initialize: () => ({
    protocolVersion: legacyRevision,
    capabilities,
    serverInfo: { name: 'old', version: '1' },
  }),
  'tools/list': () => ({ tools: tools.map((name) => ({ name })) }),
});

export async function mcpServer(results: Spoken['results']): Promise<Spoken> {
  const asked: string[] = [];
  const server = await localServer((request, response) => void handle(request, response));
  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'DELETE') {
      asked.push('DELETE');
      response.writeHead(200).end();
    } else answer(await messageOf(request), response);
  }
  function answer({ id, method, params = {} }: Received, response: ServerResponse): void {
    asked.push(method);
    const headers: Record<string, string> =
      method === 'initialize' ? { 'mcp-session-id': 'session-1' } : {};
    const result = results[method]?.(params);
    if (id === undefined) response.writeHead(202).end();
    else if (result !== undefined) sendJson(response, { id, result }, { headers });
    else sendJson(response, { id, error: { code: -32601, message: 'no' } }, { status: 400 });
  }
  return { results, asked, ...server, port: Number(new URL(server.url).port) };
}
