/**
 * The GET stream of a legacy session: what its servers say of their own accord,
 * merged, and that lists changed. Upstream streams are opened where a session is
 * open and the server has something to say that we do not know ourselves.
 */
import type { ExposedService } from '../fleet/exposed.js';
import { listen, type ListenEnd } from '../mcp_client/listening.js';
import type { JsonObject } from '../mcp_wire.js';
import { canSubscribe, promises } from './capabilities.js';
import type { ClientStream } from './client_stream.js';
import { listChangedMethod, type ChangedList } from './list_changes.js';
import { pauseAfter } from './retry.js';
import type { OpenSession, UpstreamSession } from './session.js';
import type { State } from './state.js';
import { post } from './upstream_request.js';
import { headersOf } from './upstream_sessions.js';

/** More services than this may be called in a session; the rest is silent meanwhile. */
const followedMax = 64;

export function serveSession(session: OpenSession, stream: ClientStream, state: State): void {
  state.streams.claim(session.key, stream);
  const followed = new Set<string>();
  const begin = (service: string): void => {
    const exposed = state.catalogue.value.services.get(service);
    if (followed.has(service) || followed.size >= followedMax) return;
    if (exposed === undefined || !speaksUnasked(exposed)) return;
    followed.add(service);
    void follow(service, session, stream, state).finally(() => followed.delete(service));
  };
  const beginAll = (): void => [...state.upstreams.all(session).keys()].forEach(begin);
  const say = (method: string): void => stream.send(JSON.stringify({ jsonrpc: '2.0', method }));
  const changed = (lists: readonly ChangedList[]): void => {
    lists.map(listChangedMethod).forEach(say);
    // Lists change too when a service is heard of, or comes back.
    beginAll();
  };
  state.changes.listen('legacy', changed, stream.ended);
  state.upstreams.watch(session, begin, stream.ended);
  beginAll();
}

/** List changes are known from the catalogue: they alone are no reason for a stream. */
const speaksUnasked = (service: ExposedService): boolean =>
  promises(service, 'logging') || canSubscribe(service);

/** Open for so long, it was no failure. */
const steadyMs = 10_000;

async function follow(
  service: string,
  session: OpenSession,
  stream: ClientStream,
  state: State,
): Promise<void> {
  let failures = 0;
  let begun = 0;
  let lastEventId: string | undefined;
  while (!stream.ended.aborted && state.catalogue.value.services.has(service)) {
    const upstream = state.upstreams.known(session, service);
    // Without a session a server has nothing to send there.
    if (upstream === undefined || upstream.id === null) return;
    const resumed = { ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) };
    const startedAt = performance.now();
    const end = await listen(
      state.targetOf(service),
      { headers: { ...headersOf(upstream), ...resumed } },
      {
        opened() {
          begun++;
          if (begun > 1) sayUpdated(state.upstreams.wishes.urisOf(session.key, service), stream);
        },
        message: (message) =>
          pass(message, stream, () => refuse(message, service, upstream, state)),
      },
      { signal: stream.ended },
    );
    if (hasNone(end)) return;
    lastEventId = end.kind === 'closed' ? end.lastEventId : undefined;
    failures = performance.now() - startedAt > steadyMs ? 1 : failures + 1;
    await pauseAfter(failures, stream.ended);
    if (end.kind === 'refused' && (await state.upstreams.isGone(service, upstream, end.status)))
      await state.upstreams.renew(session, service, upstream);
  }
}

/** The server has no such stream, as the revisions allow. */
const hasNone = (end: ListenEnd): boolean =>
  end.kind === 'called_off' ||
  (end.kind === 'refused' && (end.status === 405 || end.status === 501));

/** What was said while we were away is lost: so whoever asked to know looks again. */
function sayUpdated(uris: readonly string[], stream: ClientStream): void {
  const method = 'notifications/resources/updated';
  for (const uri of uris) stream.send(JSON.stringify({ jsonrpc: '2.0', method, params: { uri } }));
}

function pass(message: JsonObject, stream: ClientStream, answer: () => void): void {
  const { id, method } = message;
  // A response belongs to the stream of its call, never here.
  if (typeof method !== 'string') return;
  if (id !== undefined) answer();
  else if (!method.endsWith('/list_changed')) stream.send(JSON.stringify(message));
}

const answerMs = 5_000;

/** A server's request: it was told that there is nobody to ask (see `UpstreamSessions`). */
function refuse(
  { id, method }: JsonObject,
  service: string,
  upstream: UpstreamSession,
  { targetOf }: State,
): void {
  const error = { code: -32601, message: 'Requests to the client are not passed on here.' };
  const said = method === 'ping' ? { result: {} } : { error };
  const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, ...said }));
  const headers = { 'content-type': 'application/json', ...headersOf(upstream) };
  post(targetOf(service), body, headers, AbortSignal.timeout(answerMs)).then(
    (response) => response.resume(),
    () => undefined,
  );
}
