/** One POST to a service through Envoy's bridge listener, its body byte for byte. */
import http, { type IncomingMessage } from 'node:http';
import type { Target } from '../mcp_client/streamable.js';

const agent = new http.Agent({ keepAlive: true });

export async function post(
  { url, socketPath, headers: always }: Target,
  body: Buffer,
  headers: http.OutgoingHttpHeaders,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const via = socketPath === undefined ? {} : { socketPath };
  const sent = { ...headers, ...always, 'content-length': body.length };
  const options = { method: 'POST', headers: sent, agent, signal, ...via };
  return new Promise((resolve, reject) => {
    const request = http.request(url, options, resolve);
    request.on('error', reject);
    request.end(body);
  });
}
