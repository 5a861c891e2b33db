/**
 * Where a request for one service goes, and what it must look like there: by the
 * exposed name of a tool or prompt, or by the URI of a resource. Pure.
 */
import { nearest } from '../config.js';
import type { Era } from '../fleet/fleet.js';
import type { ExposedService } from '../fleet/exposed.js';
import { clusterHeader } from '../gateway_contract.js';
import { encodeHeaderValue, isObject, type JsonObject } from '../mcp_wire.js';
import { callFailed, codes, type Answer } from './answer.js';
import { withName, withReference } from './body.js';
import type { Request } from './classify.js';
import { otherEraReason, resourceAt, type Offer, type Offered } from './offer.js';

export type RoutedCall =
  | {
      readonly kind: 'routed';
      readonly service: ExposedService;
      readonly body: Buffer;
      readonly headers: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'refused'; readonly answer: Answer };

/** Undefined for a method that no single service answers. */
export function routeCall(request: Request, era: Era, offer: Offer): RoutedCall | undefined {
  switch (request.method) {
    case 'tools/call':
      return toNamed(request, 'tools', { era, offer });
    case 'prompts/get':
      return toNamed(request, 'prompts', { era, offer });
    case 'completion/complete':
      return toReferenced(request, { era, offer });
    case 'resources/read':
      return toResource(request, request.params['uri'], { era, offer });
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      // Modern clients name what they want to hear of in subscriptions/listen.
      return era === 'legacy'
        ? toResource(request, request.params['uri'], { era, offer })
        : undefined;
    default:
      return undefined;
  }
}

interface Context {
  readonly era: Era;
  readonly offer: Offer;
}

type NamedKind = 'tools' | 'prompts';

const nouns = { tools: 'tool', prompts: 'prompt' } as const;

function toNamed(request: Request, kind: NamedKind, { era, offer }: Context): RoutedCall {
  const name = request.params['name'];
  if (typeof name !== 'string')
    return invalid(request, `params.name must be the name of a ${nouns[kind]}`);
  const found = offer.owners[kind].get(name);
  if (found === undefined) return invalid(request, unknownName(name, kind, offer.lists[era][kind]));
  // A server refuses a name that differs from the body's (mcp-protocol.md 4.2).
  const headers = { ...(era === 'modern' && { 'mcp-name': encodeHeaderValue(found.own) }) };
  return to(found, request, era, { body: withName(request.body, found.own), headers });
}

function toResource(request: Request, uri: unknown, { era, offer }: Context): RoutedCall {
  if (typeof uri !== 'string') return invalid(request, 'params.uri must be the URI of a resource');
  const found = resourceAt(offer, uri);
  if (found !== undefined) return to(found, request, era, unchanged(request));
  const code = era === 'modern' ? codes.invalidParams : codes.resourceNotFound;
  return refused(request, code, `Resource not found: ${uri.slice(0, shownMax)}`, about(uri));
}

/** The client knows what it asked for: one that is no URI is not sent back whole. */
const about = (uri: string): JsonObject => ({ uri: uri.slice(0, 4_096) });

/** What a completion is about: a prompt by its exposed name, or a template by its text. */
function toReferenced(request: Request, { era, offer }: Context): RoutedCall {
  const reference = isObject(request.params['ref']) ? request.params['ref'] : {};
  const { type, name, uri } = reference;
  if (type === 'ref/prompt' && typeof name === 'string') {
    const found = offer.owners.prompts.get(name);
    if (found === undefined)
      return invalid(request, unknownName(name, 'prompts', offer.lists[era].prompts));
    return to(found, request, era, { body: withReference(request.body, found.own), headers: {} });
  }
  if (type === 'ref/resource' && typeof uri === 'string') {
    const found = offer.owners.resourceTemplates.get(uri) ?? offer.owners.resources.get(uri);
    if (found !== undefined) return to(found, request, era, unchanged(request));
    const message = `Unknown resource template: ${uri.slice(0, shownMax)}`;
    return refused(request, codes.invalidParams, message, about(uri));
  }
  return invalid(request, 'params.ref must be a ref/prompt with name or a ref/resource with uri');
}

interface Rewritten {
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

const unchanged = ({ body }: Request): Rewritten => ({ body: Buffer.from(body.text), headers: {} });

function to(
  { name, service }: Offered,
  request: Request,
  era: Era,
  { body, headers }: Rewritten,
): RoutedCall {
  if (service.eras.includes(era))
    return {
      kind: 'routed',
      service,
      body,
      headers: { [clusterHeader]: service.name, ...headers },
    };
  const advice = 'Crossing eras is not possible here yet.';
  const reason = `${service.name}: ${otherEraReason(service, era)}`;
  return refused(request, codes.otherEra, `${name} cannot be reached: ${reason}. ${advice}`);
}

const invalid = (request: Request, message: string): RoutedCall =>
  refused(request, codes.invalidParams, message);

function refused(
  { idText }: Request,
  code: number,
  message: string,
  data?: JsonObject,
): RoutedCall {
  return { kind: 'refused', answer: callFailed(code, message, data)(idText) };
}

const shownMax = 128;
const suggestionsMax = 3;
/** Comparing names costs time on the one thread that decides for everyone. */
const comparedMax = 2_000;

function unknownName(name: string, kind: NamedKind, list: readonly Offered[]): string {
  const unprefixed = list.filter(({ own }) => own === name).slice(0, suggestionsMax);
  const similar = list.filter((each) => Math.abs(each.name.length - name.length) <= 4);
  const names = similar.slice(0, comparedMax).map((each) => each.name);
  const near = name.length <= shownMax ? nearest(name, names) : undefined;
  const suggested = new Set([...unprefixed.map((each) => each.name), ...(near ? [near] : [])]);
  const hint = suggested.size > 0 ? ` Did you mean ${[...suggested].join(' or ')}?` : '';
  return `Unknown ${nouns[kind]}: ${name.slice(0, shownMax)}.${hint}`;
}
