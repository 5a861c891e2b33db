/**
 * One MCP message over streamable HTTP, from Node: what the bridge, the probe
 * and `mcpx call` share. Lean on purpose (`node:http`, no SDK): the bridge is
 * on the data path. Every way it can end is a value; nothing here throws.
 */
import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { reasonOf } from '../errors.js';
import { isObject, type JsonObject, type RpcError, type RpcResponse } from '../mcp_wire.js';
import { EventStream } from './event_stream.js';

/** A message to send; without `id` it is a notification. */
export interface RpcMessage {
  readonly id?: string | number;
  readonly method: string;
  readonly params?: JsonObject;
}

export interface Target {
  readonly url: string;
  /** Dial this unix socket; `url` then gives only the path and the Host header. */
  readonly socketPath?: string;
  /** Shows a certificate and knows whom to expect; for https alone. */
  readonly agent?: https.Agent;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Limits {
  /** From dialling to the last byte of the answer. */
  readonly deadlineMs: number;
  /** 32 MiB unless told otherwise. */
  readonly bytesMax?: number;
  readonly signal?: AbortSignal;
}

/** Why there is no JSON-RPC response. */
export type Failure =
  /** An HTTP status other than success; `error` when its body was a JSON-RPC error. */
  | {
      readonly kind: 'refused';
      readonly status: number;
      readonly snippet: string;
      readonly error: RpcError | undefined;
    }
  | { readonly kind: 'unreachable'; readonly reason: string }
  | { readonly kind: 'not_mcp'; readonly reason: string }
  | { readonly kind: 'too_slow'; readonly deadlineMs: number };

export type Exchange =
  /** The response to the request; a JSON-RPC error counts as one. */
  | {
      readonly kind: 'answered';
      readonly response: RpcResponse;
      readonly headers: IncomingHttpHeaders;
      /** How long the answer was. */
      readonly size: number;
    }
  /** A notification was taken (202, or any success). */
  | { readonly kind: 'accepted'; readonly headers: IncomingHttpHeaders }
  | Failure;

/** One sentence part for a problem's message: "it …". */
export function failureText(failure: Failure): string {
  switch (failure.kind) {
    case 'refused':
      return `answered HTTP ${failure.status}${refusalDetail(failure)}`;
    case 'unreachable':
      return `cannot be reached: ${failure.reason}`;
    case 'not_mcp':
      return `does not answer as an MCP server: ${failure.reason}`;
    case 'too_slow':
      return `did not answer within ${failure.deadlineMs} ms`;
  }
}

function refusalDetail({ error, snippet }: Extract<Failure, { kind: 'refused' }>): string {
  if (error !== undefined) return `: ${error.message} (${error.code})`;
  return snippet === '' ? '' : `: ${snippet}`;
}

// Shorter than the 5 s after which Node servers close an idle connection, so
// that no request is written to a connection the server is just closing.
const idleMs = 4_000;
const agentOptions = { keepAlive: true, timeout: idleMs, maxFreeSockets: 64 };
const httpAgent = new http.Agent(agentOptions);
const httpsAgent = new https.Agent(agentOptions);

export const bytesMaxDefault = 32 * 1024 * 1024;

/** Sends one message and reads its answer, as JSON or as an event stream. */
export async function exchange(
  target: Target,
  message: RpcMessage,
  headers: Readonly<Record<string, string>>,
  limits: Limits,
): Promise<Exchange> {
  const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }));
  const sent = {
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
    'content-length': String(body.length),
    ...target.headers,
    ...headers,
  };
  return roundTrip(target, { verb: 'POST', headers: sent, body }, limits, (response) =>
    readAnswer(response, message.id, limits.bytesMax ?? bytesMaxDefault),
  );
}

/** Asks the server to end the session that `headers` names; it may refuse (405). */
export async function deleteSession(
  target: Target,
  headers: Readonly<Record<string, string>>,
  limits: Limits,
): Promise<Exchange> {
  const sent = { ...target.headers, ...headers };
  const outgoing = { verb: 'DELETE', headers: sent, body: Buffer.alloc(0) } as const;
  return roundTrip(target, outgoing, limits, (response) =>
    readAnswer(response, undefined, bytesMaxDefault),
  );
}

interface Outgoing {
  readonly verb: 'POST' | 'DELETE';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

async function roundTrip(
  target: Target,
  { verb, headers, body }: Outgoing,
  { deadlineMs, signal }: Limits,
  read: (response: IncomingMessage) => Promise<Exchange>,
): Promise<Exchange> {
  const url = URL.parse(target.url);
  if (url === null) return { kind: 'unreachable', reason: `${target.url} is not a URL` };
  const secure = url.protocol === 'https:';
  return new Promise((resolve) => {
    const agent = secure ? (target.agent ?? httpsAgent) : httpAgent;
    const socketPath = target.socketPath;
    const options = { method: verb, headers, agent, ...(socketPath ? { socketPath } : {}) };
    const finish = (outcome: Exchange) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      resolve(outcome);
      if (outcome.kind === 'too_slow' || outcome.kind === 'not_mcp') request.destroy();
    };
    const request = (secure ? https : http).request(url, options, (response) => {
      read(response).then(finish, (error: unknown) =>
        finish({ kind: 'unreachable', reason: reasonOf(error) }),
      );
    });
    const timer = setTimeout(() => finish({ kind: 'too_slow', deadlineMs }), deadlineMs);
    const abort = () => {
      finish({ kind: 'unreachable', reason: 'the request was called off' });
      request.destroy();
    };
    request.on('error', (error) => finish({ kind: 'unreachable', reason: reasonOf(error) }));
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
    request.end(body);
  });
}

/** What a response holds, as an answer to the request `id`. */
export async function readAnswer(
  response: IncomingMessage,
  id: string | number | undefined,
  bytesMax: number,
): Promise<Exchange> {
  const status = response.statusCode ?? 0;
  const headers = response.headers;
  const succeeded = status >= 200 && status < 300;
  if (succeeded && id === undefined) {
    response.resume();
    return { kind: 'accepted', headers };
  }
  const type = (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();
  if (succeeded && type === 'text/event-stream') return readStream(response, id, bytesMax);
  const text = await readText(response, bytesMax);
  if (text === undefined) return tooLarge(bytesMax);
  const parsed = type === 'application/json' ? decodeResponse(text, id) : undefined;
  if (!succeeded) {
    const error = parsed !== undefined && 'error' in parsed ? parsed.error : undefined;
    return { kind: 'refused', status, snippet: snippetOf(text), error };
  }
  if (parsed !== undefined)
    return { kind: 'answered', response: parsed, headers, size: text.length };
  const what = type === 'application/json' ? 'no JSON-RPC response to this request' : 'no JSON';
  return { kind: 'not_mcp', reason: `HTTP ${status} with ${what}: ${snippetOf(text)}` };
}

const tooLarge = (bytesMax: number): Failure => ({
  kind: 'not_mcp',
  reason: `its answer is larger than ${bytesMax} bytes`,
});

async function readText(response: IncomingMessage, bytesMax: number): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bytesMax) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function readStream(
  response: IncomingMessage,
  id: string | number | undefined,
  bytesMax: number,
): Promise<Exchange> {
  const events = new EventStream();
  let size = 0;
  response.setEncoding('utf8');
  const chunks = response.iterator({ destroyOnReturn: false }) as AsyncIterable<string>;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > bytesMax) return tooLarge(bytesMax);
    for (const data of events.push(chunk)) {
      const decoded = decodeResponse(data, id);
      if (decoded === undefined) continue;
      letEnd(response);
      return { kind: 'answered', response: decoded, headers: response.headers, size };
    }
  }
  return { kind: 'not_mcp', reason: 'its event stream ended without the response' };
}

/** The server closes the stream after the response, so its connection can be used again. */
function letEnd(response: IncomingMessage): void {
  const timer = setTimeout(() => response.destroy(), 1_000).unref();
  response.once('close', () => clearTimeout(timer));
  response.resume();
}

const snippetOf = (text: string): string => text.replace(/\s+/g, ' ').trim().slice(0, 200);

/** Undefined unless `text` is the response to `id` (a refusal's id may be null). */
function decodeResponse(text: string, id: string | number | undefined): RpcResponse | undefined {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(message) || 'method' in message) return undefined;
  if (isRpcError(message['error']) && (message['id'] === id || message['id'] == null))
    return { error: message['error'] };
  if (message['id'] !== id || !isObject(message['result'])) return undefined;
  return { result: message['result'] };
}

function isRpcError(value: unknown): value is RpcError {
  return isObject(value) && Number.isInteger(value['code']) && typeof value['message'] === 'string';
}
