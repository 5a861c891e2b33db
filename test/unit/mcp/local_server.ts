/** A real HTTP server in the test's own process, on a free port or a unix socket. */
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';

export interface LocalServer {
  readonly url: string;
  close(): Promise<void>;
}

export async function localServer(
  handle: RequestListener,
  socketPath?: string,
): Promise<LocalServer> {
  const server = http.createServer(handle);
  await new Promise<void>((resolve) => {
    if (socketPath === undefined) server.listen(0, '127.0.0.1', resolve);
    else server.listen(socketPath, resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const close = async () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${port}/mcp`, close };
}

export interface Received {
  readonly id?: string | number;
  readonly method: string;
  readonly params?: Readonly<Record<string, unknown>>;
  /** The body as it came. */
  readonly text: string;
}

export async function messageOf(request: IncomingMessage): Promise<Received> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk as string;
  return { ...(JSON.parse(text === '' ? '{}' : text) as Omit<Received, 'text'>), text };
}

export function sendJson(
  response: ServerResponse,
  message: object,
  { status = 200, headers = {} }: { status?: number; headers?: Record<string, string> } = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ jsonrpc: '2.0', ...message }));
}
