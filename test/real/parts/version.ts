/** Instances of one version of a service: the tool that is called says what becomes of the call. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { defaultPolicy } from '../../../src/fleet/defaults.js';
import type { Registration } from '../../../src/fleet/fleet.js';
import { registration } from '../../unit/fleet/registered.js';

export interface VersionServers {
  /** Health is the registry's affair, so they may be called at once. */
  readonly registrations: readonly Registration[];
  /** Calls of each tool, over all instances. */
  readonly calls: (tool: string) => number;
  /** Requests with a header that only the gateway may set, and must take off. */
  readonly reserved: () => number;
  stop(): Promise<void>;
}

const timeoutMs = 500;
const reserved = 'x-mcpx-';

export async function startVersion(version: string, instances: number): Promise<VersionServers> {
  const counts = new Map<string, number>();
  const servers = await Promise.all(
    Array.from({ length: instances }, async () => {
      const server = createServer((request, response) => {
        const { port } = server.address() as AddressInfo;
        void answer(request, response, { version, port, counts });
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const traffic = { ...defaultPolicy.traffic, timeoutMs };
  const outlier = { ...traffic.outlier, consecutiveErrors: 1_000_000 };
  return {
    registrations: servers.map((server) => {
      const { port } = server.address() as AddressInfo;
      const where = { host: '127.0.0.1', port, version, checkedBy: 'registry' } as const;
      return registration({ ...where, traffic: { ...traffic, outlier } });
    }),
    calls: (tool) => counts.get(tool) ?? 0,
    reserved: () => counts.get(reserved) ?? 0,
    async stop() {
      for (const server of servers) server.closeAllConnections();
      await Promise.all(servers.map((server) => once(server.close(), 'close')));
    },
  };
}

interface Instance {
  readonly version: string;
  readonly port: number;
  readonly counts: Map<string, number>;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { version, port, counts }: Instance,
): Promise<void> {
  let text = '';
  for await (const part of request) text += String(part);
  const { method, params } = JSON.parse(text) as { method: string; params?: { name?: string } };
  const tool = params?.name ?? method;
  counts.set(tool, (counts.get(tool) ?? 0) + 1);
  const mark = Object.keys(request.headers).some((name) => name.startsWith(reserved));
  if (mark) counts.set(reserved, (counts.get(reserved) ?? 0) + 1);
  const content = [{ type: 'text', text: `${version} ${port}` }];
  const say = (status: number, message: object) => {
    const asked = String(request.headers['x-answer'] ?? 'json');
    const whole = JSON.stringify({ jsonrpc: '2.0', id: 1, ...message });
    const kind = asked === 'json' ? 'application/json' : 'text/event-stream';
    response.writeHead(status, { 'content-type': kind, 'mcp-session-id': `s${port}` });
    // A notification in front that names what the scan looks for.
    const note = JSON.stringify({ jsonrpc: '2.0', method: 'n', params: { isError: true } });
    if (asked === 'endless') response.write(`data: ${whole}\n\n`);
    else response.end(asked === 'sse' ? `data: ${note}\n\ndata: ${whole}\n\n` : whole);
  };
  const acts: Readonly<Record<string, () => void>> = {
    rpc: () => say(200, { error: { code: -32000, message: 'no' } }),
    tool: () => say(200, { result: { content, isError: true } }),
    http: () => say(500, { result: { content } }),
    reset: () => request.socket.destroy(),
    hang: () => response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders(),
    timeout: () => setTimeout(() => say(200, { result: { content } }), timeoutMs * 3).unref(),
  };
  if (tool.startsWith('raw ')) {
    sayRaw(request, response, tool.slice('raw '.length));
    return;
  }
  const well = () => say(200, { result: { content, isError: false } });
  (acts[tool] ?? well)();
}

/** These very bytes, in one piece or one by one. */
function sayRaw(request: IncomingMessage, response: ServerResponse, base64: string): void {
  const body = Buffer.from(base64, 'base64');
  const kind = request.headers['x-answer'] === 'sse' ? 'text/event-stream' : 'application/json';
  response.writeHead(200, { 'content-type': kind });
  const pieces =
    request.headers['x-pieces'] === 'whole' ? [body] : [...body].map((one) => Buffer.of(one));
  const next = () => {
    const piece = pieces.shift();
    if (piece) response.write(piece, () => setImmediate(next));
    else response.end();
  };
  next();
}
