/**
 * A stream on which a server speaks when it likes: a legacy session's GET
 * stream, or a modern `subscriptions/listen`. Nothing here throws or opens it
 * anew: how it ended is a value, and what follows from that is the caller's.
 */
import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { reasonOf } from '../errors.js';
import { isObject, type JsonObject } from '../mcp_wire.js';
import { EventStream } from './event_stream.js';
import { readAnswer, type Failure, type RpcMessage, type Target } from './streamable.js';

export interface ListenRequest {
  /** POSTed; without a message the stream is a GET. */
  readonly message?: RpcMessage & { readonly id: string | number };
  /** `mcp-session-id`, `last-event-id`, … */
  readonly headers: Readonly<Record<string, string>>;
}

export interface Listener {
  /** The server has begun the stream. */
  opened?(headers: IncomingHttpHeaders): void;
  /** Reading rests until the promise is kept, so that a slow listener slows the server. */
  message(message: JsonObject, eventId: string | undefined): void | Promise<void>;
}

export interface ListenLimits {
  /** Ends the stream. */
  readonly signal: AbortSignal;
  /** From dialling to the first byte; unlimited unless told (some servers are silent at first). */
  readonly openMs?: number;
  /** 1 MiB unless told otherwise. */
  readonly eventLengthMax?: number;
}

export type ListenEnd =
  /** It was called off by the signal. */
  | { readonly kind: 'called_off' }
  /** It was open, and the server (or something between) closed or broke it. */
  | {
      readonly kind: 'closed';
      readonly reason: string;
      /** Where to resume (`last-event-id`), when the server gave its events ids. */
      readonly lastEventId: string | undefined;
    }
  /** It never was a stream. */
  | Failure;

const eventLengthMaxDefault = 1024 * 1024;
const refusalBytesMax = 64 * 1024;
const refusalMs = 5_000;

/** Opens the stream and hands on each message of it until it ends. */
export async function listen(
  target: Target,
  request: ListenRequest,
  listener: Listener,
  limits: ListenLimits,
): Promise<ListenEnd> {
  const opened = await open(target, request, limits);
  if ('kind' in opened) return opened;
  const type = opened.headers['content-type'] ?? '';
  const isStream = /^\s*text\/event-stream\s*(;|$)/i.test(type);
  if (opened.statusCode === 200 && isStream) return read(opened, request, listener, limits);
  const timer = setTimeout(() => opened.destroy(), refusalMs);
  const refused = await refusal(opened, request).catch((error: unknown) => unreachable(error));
  clearTimeout(timer);
  opened.destroy();
  return limits.signal.aborted ? { kind: 'called_off' } : refused;
}

async function open(
  target: Target,
  { message, headers }: ListenRequest,
  { signal, openMs }: ListenLimits,
): Promise<IncomingMessage | ListenEnd> {
  const url = URL.parse(target.url);
  if (url === null) return { kind: 'unreachable', reason: `${target.url} is not a URL` };
  const body = message && Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }));
  const posted = body && {
    'content-type': 'application/json',
    'content-length': String(body.length),
  };
  const accept = body ? 'application/json, text/event-stream' : 'text/event-stream';
  const options = {
    method: body ? 'POST' : 'GET',
    headers: { accept, ...posted, ...target.headers, ...headers },
    // A stream keeps its connection to itself.
    agent: target.agent ?? false,
    signal,
    ...(target.socketPath === undefined ? {} : { socketPath: target.socketPath }),
  } as const;
  return new Promise((resolve) => {
    const outgoing = (url.protocol === 'https:' ? https : http).request(url, options);
    const giveUp = (deadlineMs: number) => {
      resolve({ kind: 'too_slow', deadlineMs });
      outgoing.destroy();
    };
    const timer = openMs === undefined ? undefined : setTimeout(giveUp, openMs, openMs);
    outgoing.once('socket', (socket) => socket.setKeepAlive(true, 15_000));
    outgoing.once('close', () => clearTimeout(timer));
    outgoing.once('response', (response) => {
      clearTimeout(timer);
      resolve(response);
    });
    outgoing.on('error', (error) =>
      resolve(signal.aborted ? { kind: 'called_off' } : unreachable(error)),
    );
    outgoing.end(body);
  });
}

const unreachable = (error: unknown): Failure => ({
  kind: 'unreachable',
  reason: reasonOf(error),
});

async function read(
  response: IncomingMessage,
  { message }: ListenRequest,
  listener: Listener,
  { signal, eventLengthMax = eventLengthMaxDefault }: ListenLimits,
): Promise<ListenEnd> {
  const events = new EventStream();
  const closed = (reason: string): ListenEnd =>
    signal.aborted
      ? { kind: 'called_off' }
      : { kind: 'closed', reason, lastEventId: events.lastEventId };
  listener.opened?.(response.headers);
  response.setEncoding('utf8');
  try {
    for await (const chunk of response as AsyncIterable<string>) {
      for (const { data, id } of events.events(chunk)) {
        if (signal.aborted) break;
        const spoken = messagesOf(data);
        const last = spoken.find((each) => isAnswer(each, message?.id));
        for (const each of spoken) if (each !== last) await listener.message(each, id);
        if (last) return refusedBy(last) ?? closed('the server ended it');
      }
      if (events.heldLength > eventLengthMax)
        return closed(`an event of more than ${eventLengthMax} characters`);
    }
    return closed('the server closed it');
  } catch (error) {
    return closed(reasonOf(error));
  }
}

/** The messages in one event: one, or (2025-03-26) a batch; what is neither is left out. */
function messagesOf(data: string): JsonObject[] {
  try {
    const parsed: unknown = JSON.parse(data);
    return (Array.isArray(parsed) ? parsed : [parsed]).filter(isObject);
  } catch {
    return [];
  }
}

const isAnswer = (message: JsonObject, id: string | number | undefined): boolean =>
  id !== undefined && message['id'] === id && !('method' in message);

/** A server may begin a stream only to refuse on it. */
function refusedBy(answer: JsonObject): Failure | undefined {
  const { error } = answer;
  if (!isObject(error)) return undefined;
  const { code, message } = error;
  if (typeof code !== 'number' || typeof message !== 'string') return undefined;
  return { kind: 'refused', status: 200, snippet: '', error: { code, message } };
}

async function refusal(response: IncomingMessage, { message }: ListenRequest): Promise<Failure> {
  const answer = await readAnswer(response, message?.id, refusalBytesMax);
  if (answer.kind === 'accepted')
    return { kind: 'not_mcp', reason: `HTTP ${response.statusCode ?? 0} without an event stream` };
  if (answer.kind !== 'answered') return answer;
  return (
    refusedBy(answer.response) ?? { kind: 'not_mcp', reason: 'it answered instead of streaming' }
  );
}
