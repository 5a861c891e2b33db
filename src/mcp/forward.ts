/**
 * A call carried to its service through Envoy's bridge listener, and the answer
 * carried back as it comes: JSON or an event stream, never held.
 */
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { reasonOf } from '../errors.js';
import { sessionHeader } from '../gateway_contract.js';
import { isObject } from '../mcp_wire.js';
import type { Target } from '../streamable.js';
import type { Call } from './aggregate.js';
import { callFailed, codes, type Answer } from './answer.js';
import { readBody } from './body.js';
import { sessionChange, withheldHeaders } from './decide.js';
import type { UpstreamSession } from './session.js';
import type { UpstreamSessions } from './upstream_sessions.js';

export interface Way {
  readonly targetOf: (service: string) => Target;
  readonly upstreams: UpstreamSessions;
}

const agent = new http.Agent({ keepAlive: true });

/** Carries `call` out; what it gives back is for the client when nothing was relayed. */
export async function forward(
  call: Call,
  request: IncomingMessage,
  response: ServerResponse,
  way: Way,
): Promise<Answer | undefined> {
  const left = new AbortController();
  // A modern client that leaves cancels its call; a legacy one does not (mcp-protocol.md 4.9).
  if (call.session === undefined)
    response.once('close', () => {
      if (!response.writableFinished) left.abort();
    });
  const unavailable = (reason: string) => {
    const message = `${call.service} is not available: ${reason}`;
    return callFailed(codes.serviceUnavailable, message)(call.request.idText);
  };
  try {
    const sent = await sendInSession(call, request, way, left.signal);
    if (typeof sent === 'string') return unavailable(sent);
    if ((sent.statusCode ?? 0) >= 400) {
      const refusal = await refusalOf(sent, call.request.idText);
      return typeof refusal === 'string' ? unavailable(refusal) : refusal;
    }
    relay(sent, response, call.session !== undefined);
    return undefined;
  } catch (error) {
    return unavailable(reasonOf(error));
  }
}

/** The server's response, or why there is none. */
async function sendInSession(
  call: Call,
  request: IncomingMessage,
  way: Way,
  signal: AbortSignal,
): Promise<IncomingMessage | string> {
  const target = way.targetOf(call.service);
  const once = (upstream: UpstreamSession | undefined) =>
    send(target, call.body, outgoingHeaders(call, request, upstream), signal);
  if (call.session === undefined) return once(undefined);
  const obtained = await way.upstreams.obtain(call.session, call.service);
  if (!obtained.ok) return obtained.reason;
  const first = await once(obtained.upstream);
  if (first.statusCode !== 404 || obtained.upstream.id === null) return first;
  first.resume();
  const renewed = await way.upstreams.renew(call.session, call.service, obtained.upstream);
  return renewed.ok ? once(renewed.upstream) : renewed.reason;
}

async function send(
  { url, socketPath, headers: always }: Target,
  body: Buffer,
  headers: http.OutgoingHttpHeaders,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const via = socketPath === undefined ? {} : { socketPath };
  const options = { method: 'POST', headers: { ...headers, ...always }, agent, signal, ...via };
  return new Promise((resolve, reject) => {
    const request = http.request(url, options, resolve);
    request.on('error', reject);
    request.end(body);
  });
}

/** Of one connection only, or ours to set. */
const ownHeaders: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  sessionHeader,
  ...withheldHeaders,
]);

function outgoingHeaders(
  call: Call,
  request: IncomingMessage,
  upstream: UpstreamSession | undefined,
): http.OutgoingHttpHeaders {
  const kept = Object.entries(request.headers).filter(
    ([name]) => !ownHeaders.has(name) && !name.startsWith('x-envoy-'),
  );
  return {
    ...Object.fromEntries(kept),
    ...call.headers,
    ...sessionChange(upstream).set,
    'content-length': call.body.length,
  };
}

const refusalBytesMax = 64 * 1024;

/**
 * A server's own refusal of this very request is the client's; Envoy's (no
 * healthy host, timeout) name no request, so a client could not match them.
 */
async function refusalOf(response: IncomingMessage, idText: string): Promise<Answer | string> {
  const status = response.statusCode ?? 0;
  let body = '';
  response.setEncoding('utf8');
  for await (const chunk of response as AsyncIterable<string>) {
    body += chunk;
    if (body.length > refusalBytesMax) break;
  }
  const read = readBody(Buffer.from(body));
  const message = read.kind === 'object' ? read.body : undefined;
  if (message?.idText === idText)
    return { status, headers: { 'content-type': 'application/json' }, body };
  const error = message?.message['error'];
  const reason = isObject(error) ? error['message'] : body.slice(0, 200);
  return typeof reason === 'string' && reason !== '' ? reason : `HTTP ${status}`;
}

function relay(from: IncomingMessage, to: ServerResponse, outlivesClient: boolean): void {
  // The server's own session id must not reach the client: it would replace ours.
  const kept = Object.entries(from.headers).filter(([name]) => !ownHeaders.has(name));
  to.writeHead(from.statusCode ?? 502, Object.fromEntries(kept));
  to.flushHeaders();
  from.pipe(to);
  from.once('error', () => to.destroy());
  to.once('close', () => {
    if (from.complete) return;
    from.unpipe(to);
    if (outlivesClient) from.resume();
    else from.destroy();
  });
}
