/**
 * What becomes of a request on `/mcp` at Envoy's ext_proc filter: a value, which
 * `filter.ts` only translates. Most requests go to the bridge, unread; a call
 * whose everything is known goes straight to its service (lane 2).
 */
import { sessionHeader } from '../gateway_contract.js';
import { methodNotAllowed, sessionNotFound, type Answer } from './answer.js';
import { routeCall, type RoutedCall } from './call.js';
import type { CatalogueState } from './catalogue_fold.js';
import { asksForStream, classify, saysModern, type Head } from './classify.js';
import { offerOf } from './offer.js';
import type { OpenSession, UpstreamSession } from './session.js';
import { headersOf } from './upstream_sessions.js';

export type Decision =
  /** Lane 3: as it is, to the HTTP face. */
  | { readonly kind: 'bridge' }
  | { readonly kind: 'need_body' }
  | { readonly kind: 'answer'; readonly answer: Answer }
  /** Lane 2: straight to a service. */
  | {
      readonly kind: 'route';
      readonly body: Buffer;
      readonly set: Readonly<Record<string, string>>;
      readonly remove: readonly string[];
    };

/** What deciding may look up. */
export interface Known {
  readonly catalogue: CatalogueState;
  session(id: string): OpenSession | undefined;
  upstream(session: OpenSession, service: string): UpstreamSession | undefined;
}

const bridge: Decision = { kind: 'bridge' };
const needBody: Decision = { kind: 'need_body' };

/** Methods whose calls may go straight to a service. */
const straight: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read']);

/** The client's credentials are for the gateway, never for a server (mcp-protocol.md 4.6). */
export const withheldHeaders: readonly string[] = ['authorization', 'cookie'];

export function decideHead(head: Head, hasBody: boolean): Decision {
  if (head.verb === 'DELETE' || asksForStream(head)) return bridge;
  if (head.verb !== 'POST') return { kind: 'answer', answer: methodNotAllowed };
  if (!hasBody) return bridge;
  if (!saysModern(head)) return head.headers[sessionHeader] === undefined ? bridge : needBody;
  const method = head.headers['mcp-method']?.trim();
  return method === undefined || straight.has(method) ? needBody : bridge;
}

export function decideBody(head: Head, bytes: Uint8Array, known: Known): Decision {
  const classified = classify(head, bytes);
  if (classified.kind === 'rejected') return { kind: 'answer', answer: classified.answer };
  if (classified.kind !== 'legacy' && classified.kind !== 'modern') return bridge;
  const { request } = classified;
  if (!straight.has(request.method) || !known.catalogue.heard) return bridge;
  const session = known.session(head.headers[sessionHeader] ?? '');
  if (classified.kind === 'legacy' && session === undefined)
    return { kind: 'answer', answer: sessionNotFound(request.idText) };
  const routed = routeCall(request, classified.kind, offerOf(known.catalogue.services));
  if (routed === undefined) return bridge;
  if (routed.kind === 'refused') return { kind: 'answer', answer: routed.answer };
  // The bridge can say to whom it belongs where Envoy would answer a bare 503.
  if (!routed.service.available) return bridge;
  if (classified.kind === 'modern') return routeTo(routed, undefined);
  const upstream = session && known.upstream(session, routed.service.name);
  return upstream === undefined ? bridge : routeTo(routed, upstream);
}

type Routed = Extract<RoutedCall, { kind: 'routed' }>;

function routeTo({ body, headers }: Routed, upstream: UpstreamSession | undefined): Decision {
  const { set, remove } = sessionChange(upstream);
  const withheld = [...withheldHeaders, ...remove];
  return { kind: 'route', body, set: { ...headers, ...set }, remove: withheld };
}

/** The headers that put a request into an upstream session, or into none. */
function sessionChange(upstream: UpstreamSession | undefined) {
  const set = upstream === undefined ? {} : headersOf(upstream);
  return { set, remove: sessionHeader in set ? [] : [sessionHeader] };
}
