/** An MCP server at its barest, beside a sidecar: with sessions, a stream, and what it was sent. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface LocalServer {
  readonly port: number;
  /** Of the newest call, health checks aside. */
  readonly seen: () => IncomingHttpHeaders | undefined;
  readonly calls: () => number;
  /** An event for everybody who listens. */
  tell(): void;
  stop(): Promise<void>;
}

const sessionHeader = 'mcp-session-id';

export async function startLocalServer(): Promise<LocalServer> {
  let [seen, calls]: [IncomingHttpHeaders | undefined, number] = [undefined, 0];
  const sessions = new Set<string>();
  const listeners = new Set<{ write(text: string): void }>();
  const server: Server = createServer((request, response) => {
    const { port } = server.address() as AddressInfo;
    if (request.method === 'GET') {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': open\n\n');
      listeners.add(response);
      response.once('close', () => listeners.delete(response));
      return;
    }
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const text = Buffer.concat(parts).toString();
      const session = request.headers[sessionHeader];
      if (!text.includes('"ping"')) [seen, calls] = [request.headers, calls + 1];
      if (text.includes('"initialize"')) {
        const made = `${port}-${sessions.size}`;
        sessions.add(made);
        response.setHeader(sessionHeader, made);
      }
      const isKnown = session === undefined || sessions.has(String(session));
      response.writeHead(isKnown ? 200 : 404, { 'content-type': 'application/json' });
      response.end(`{"jsonrpc":"2.0","id":1,"result":{"port":${port}}}`);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    ...{ seen: () => seen, calls: () => calls },
    tell: () => listeners.forEach((each) => each.write('data: {}\n\n')),
    async stop() {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}
