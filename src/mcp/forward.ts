/**
 * A call carried to its service through Envoy's bridge listener, and the answer
 * carried back as it comes: JSON or an event stream, never held.
 */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { reasonOf } from '../errors.js';
import { sessionHeader } from '../gateway_contract.js';
import { isObject } from '../mcp_wire.js';
import type { Call } from './aggregate.js';
import { callFailed, codes, type Answer } from './answer.js';
import { readBody } from './body.js';
import { withheldHeaders } from './decide.js';
import type { UpstreamSession } from './session.js';
import type { State } from './state.js';
import { post } from './upstream_request.js';
import { headersOf } from './upstream_sessions.js';

/** Carries `call` out; what it gives back is for the client when nothing was relayed. */
export async function forward(
  call: Call,
  request: IncomingMessage,
  response: ServerResponse,
  state: State,
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
    const sent = await sendInSession(call, request, state, left.signal);
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
  { targetOf, upstreams }: State,
  signal: AbortSignal,
): Promise<IncomingMessage | string> {
  const { session, service, body } = call;
  const once = (upstream: UpstreamSession | undefined) =>
    post(targetOf(service), body, outgoingHeaders(call, request, upstream), signal);
  if (session === undefined) return once(undefined);
  const obtained = await upstreams.obtain(session, service);
  if (!obtained.ok) return obtained.reason;
  const first = await once(obtained.upstream);
  if (!(await upstreams.isGone(service, obtained.upstream, first.statusCode ?? 0))) return first;
  first.resume();
  const renewed = await upstreams.renew(session, service, obtained.upstream);
  return renewed.ok ? once(renewed.upstream) : renewed.reason;
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
): OutgoingHttpHeaders {
  const kept = Object.entries(request.headers).filter(
    ([name]) => !ownHeaders.has(name) && !name.startsWith('x-envoy-'),
  );
  const inSession = upstream === undefined ? {} : headersOf(upstream);
  return { ...Object.fromEntries(kept), ...call.headers, ...inSession };
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
