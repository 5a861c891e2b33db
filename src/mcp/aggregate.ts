/**
 * The aggregate itself: every request on `/mcp` that is not sent straight to a
 * service, answered from the catalogue or handed back as a call to forward.
 */
import { sessionHeader } from '../gateway_contract.js';
import {
  accepted,
  callFailed,
  codes,
  emptyAnswer,
  errorAnswer,
  resultAnswer,
  sessionNotFound,
  type Answer,
} from './answer.js';
import { routeCall } from './call.js';
import { promises } from './capabilities.js';
import { classify, type Classified, type Head, type Message, type Request } from './classify.js';
import type { ClientStream } from './client_stream.js';
import { fanOut } from './fan_out.js';
import { discover, initialize } from './greeting.js';
import { answerList, listMethods } from './list.js';
import { offerOf } from './offer.js';
import type { OpenSession } from './session.js';
import { serveSession } from './session_stream.js';
import type { State } from './state.js';
import { readWanted, serveListening } from './subscriptions.js';

/** A call that goes to a service through the bridge listener. */
export interface Call {
  readonly kind: 'call';
  readonly request: Request;
  readonly service: string;
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  /** Present in the legacy era. */
  readonly session: OpenSession | undefined;
}

export type Reply =
  | { readonly kind: 'answer'; readonly answer: Answer }
  | Call
  /** Speaks whenever there is something to say. */
  | { readonly kind: 'stream'; readonly open: (stream: ClientStream) => void };

const say = (answer: Answer): Reply => ({ kind: 'answer', answer });

export async function reply(head: Head, bytes: Uint8Array, state: State): Promise<Reply> {
  const classified = classify(head, bytes);
  if (classified.kind === 'rejected') return say(classified.answer);
  if (classified.kind === 'modern') return replyModern(classified.request, state);
  if (classified.kind === 'notification' && classified.era === 'modern') return say(accepted);
  if (classified.kind === 'legacy' && classified.request.method === 'initialize') {
    const { request } = classified;
    if (!state.catalogue.value.heard) return say(notReady(request));
    return say(await initialize(request, state));
  }
  return replyInSession(head, classified, state);
}

type InSession = Exclude<Classified, { kind: 'rejected' | 'modern' }>;

function replyInSession(head: Head, classified: InSession, state: State): Reply | Promise<Reply> {
  const idText = classified.kind === 'legacy' ? classified.request.idText : undefined;
  const id = head.headers[sessionHeader]?.trim();
  if (id === undefined) {
    const message = 'Bad Request: Mcp-Session-Id header is required';
    return say(errorAnswer(400, { code: codes.badRequest, message }, idText));
  }
  const session = state.sessions.open(id);
  if (session === undefined) return say(sessionNotFound(idText));
  switch (classified.kind) {
    case 'legacy':
      return replyLegacy(classified.request, session, state);
    case 'notification':
      return replyNotified(classified.message, session, state);
    case 'response':
      // Nothing was asked: servers are told that there is nobody to ask.
      return say(accepted);
    case 'stream':
      return {
        kind: 'stream',
        open: (stream) => serveSession(session, stream, state),
      };
    case 'end':
      state.sessions.end(session);
      state.streams.endOf(session.key);
      state.upstreams.end(session);
      return say(emptyAnswer(204));
  }
}

/**
 * Which server a cancellation is for is not known: calls go their way in lane 2 and
 * leave no trace here. So every open upstream session hears of it: ids are the
 * client's own and unique within its session, and an unknown one is passed over.
 */
function replyNotified(message: Message, session: OpenSession, state: State): Reply {
  // Said to each server when its session was opened.
  if (message.method === 'notifications/initialized') return say(accepted);
  void fanOut(message.body, session, state);
  return say(accepted);
}

function replyLegacy(request: Request, session: OpenSession, state: State): Reply | Promise<Reply> {
  const { method, params, idText } = request;
  if (method === 'ping') return say(resultAnswer(idText, '{}'));
  if (!state.catalogue.value.heard) return say(notReady(request));
  if (method === 'logging/setLevel') return setLevel(request, session, state);
  const replied = replyFromOffer(request, session, state) ?? say(unknownMethod(200, request));
  if (replied.kind === 'call' && typeof params['uri'] === 'string') {
    const { wishes } = state.upstreams;
    if (method === 'resources/subscribe')
      wishes.subscribe(session.key, replied.service, params['uri']);
    if (method === 'resources/unsubscribe')
      wishes.unsubscribe(session.key, replied.service, params['uri']);
  }
  return replied;
}

const logLevels: ReadonlySet<unknown> = new Set([
  'debug',
  'info',
  'notice',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
]);

/** Servers that are slow or away hear of it when their session is opened anew. */
async function setLevel(request: Request, session: OpenSession, state: State): Promise<Reply> {
  const { params, body, idText } = request;
  const level = params['level'];
  if (typeof level !== 'string' || !logLevels.has(level)) {
    const message = `params.level must be one of ${[...logLevels].join(', ')}`;
    return say(callFailed(codes.invalidParams, message)(idText));
  }
  state.upstreams.wishes.setLevel(session.key, level);
  await fanOut(body, session, state, (name) => {
    const service = state.catalogue.value.services.get(name);
    return service !== undefined && promises(service, 'logging');
  });
  return say(resultAnswer(idText, '{}'));
}

function replyModern(request: Request, state: State): Reply {
  if (request.method === 'server/discover') return say(discover(request, state));
  if (!state.catalogue.value.heard) return say(notReady(request));
  if (request.method === 'subscriptions/listen') return listening(request, state);
  return replyFromOffer(request, undefined, state) ?? say(unknownMethod(404, request));
}

function listening(request: Request, state: State): Reply {
  const wanted = readWanted(request);
  if ('status' in wanted) return say(wanted);
  return {
    kind: 'stream',
    open: (stream) => void serveListening(request, wanted, stream, state),
  };
}

/** What both eras have; undefined for a method that is not among it. */
function replyFromOffer(
  request: Request,
  session: OpenSession | undefined,
  { catalogue }: State,
): Reply | undefined {
  const era = session === undefined ? 'modern' : 'legacy';
  const offer = offerOf(catalogue.value.services);
  const kind = listMethods.get(request.method);
  if (kind !== undefined) return say(answerList(request, kind, era, offer));
  const routed = routeCall(request, era, offer);
  if (routed === undefined || routed.kind === 'refused') return routed && say(routed.answer);
  const { service, body, headers } = routed;
  return { kind: 'call', request, service: service.name, body, headers, session };
}

function unknownMethod(status: number, { method, idText }: Request): Answer {
  const message = `Method not found: ${method.slice(0, 128)}`;
  return errorAnswer(status, { code: codes.methodNotFound, message }, idText);
}

function notReady({ idText }: Request): Answer {
  const message = 'The gateway has not heard its control plane yet. Try again in a second.';
  const answer = callFailed(codes.notReady, message)(idText);
  return { ...answer, status: 503, headers: { ...answer.headers, 'retry-after': '1' } };
}
