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
import { classify, type Classified, type Head, type Request } from './classify.js';
import { discover, initialize } from './greeting.js';
import { answerList, listMethods } from './list.js';
import { offerOf } from './offer.js';
import type { OpenSession } from './session.js';
import type { State } from './state.js';

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

export type Reply = { readonly kind: 'answer'; readonly answer: Answer } | Call;

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

function replyInSession(head: Head, classified: InSession, state: State): Reply {
  const idText = classified.kind === 'legacy' ? classified.request.idText : undefined;
  const id = head.headers[sessionHeader]?.trim();
  if (id === undefined) {
    const message = 'Bad Request: Mcp-Session-Id header is required';
    return say(errorAnswer(400, { code: codes.badRequest, message }, idText));
  }
  const session = state.sessions.open(id);
  if (session === undefined) return say(sessionNotFound(idText));
  if (classified.kind === 'legacy') return replyLegacy(classified.request, session, state);
  if (classified.kind !== 'end') return say(accepted);
  state.sessions.end(session);
  state.upstreams.end(session);
  return say(emptyAnswer(204));
}

function replyLegacy(request: Request, session: OpenSession, state: State): Reply {
  if (request.method === 'ping') return say(resultAnswer(request.idText, '{}'));
  if (!state.catalogue.value.heard) return say(notReady(request));
  return replyFromOffer(request, session, state) ?? say(unknownMethod(200, request));
}

function replyModern(request: Request, state: State): Reply {
  if (request.method === 'server/discover') return say(discover(request, state));
  if (!state.catalogue.value.heard) return say(notReady(request));
  return replyFromOffer(request, undefined, state) ?? say(unknownMethod(404, request));
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
