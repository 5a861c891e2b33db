/**
 * A conversation with one MCP server in one era: how it is opened, spoken in,
 * listed from (every page) and ended. Built on single exchanges.
 */
import type { IncomingHttpHeaders } from 'node:http';
import {
  encodeHeaderValue,
  isObject,
  legacyRevision,
  metaKeys,
  modernRevision,
  namedParameter,
  type JsonObject,
} from '../mcp_wire.js';
import type { ListenRequest } from './listening.js';
import {
  bytesMaxDefault,
  deleteSession,
  exchange,
  type Exchange,
  type Failure,
  type Limits,
  type Target,
} from './streamable.js';

export interface ClientInfo {
  readonly name: string;
  readonly version: string;
}

/** An open conversation with one server, in one era. */
export interface Session {
  readonly era: 'modern' | 'legacy';
  readonly target: Target;
  readonly client: ClientInfo;
  readonly protocolVersion: string;
  /** Legacy servers may go without. */
  readonly sessionId: string | undefined;
  readonly serverInfo: JsonObject;
  readonly capabilities: JsonObject;
  readonly instructions: string | undefined;
  /** How long the answer to `server/discover` may be believed. */
  readonly ttlMs: number | undefined;
}

export type Opened =
  | { readonly ok: true; readonly session: Session }
  | { readonly ok: false; readonly failure: Failure };

/** Modern: `server/discover`. Every later request carries what it needs itself. */
export async function openModern(
  target: Target,
  client: ClientInfo,
  limits: Limits,
): Promise<Opened> {
  const draft = draftSession('modern', target, client, modernRevision);
  const answer = resultOf(await request(draft, 'server/discover', {}, limits));
  if (!answer.ok) return answer;
  const { result } = answer;
  const versions: unknown = result['supportedVersions'];
  if (!Array.isArray(versions) || !versions.includes(modernRevision))
    return notMcp(`it does not list ${modernRevision} among its supported versions`);
  const meta = isObject(result['_meta']) ? result['_meta'] : {};
  return opened({ ...draft, ...described(result, meta[metaKeys.serverInfo]) });
}

/** Legacy: `initialize`, then `notifications/initialized`. */
export async function openLegacy(
  target: Target,
  client: ClientInfo,
  limits: Limits,
  protocolVersion: string = legacyRevision,
): Promise<Opened> {
  const params = { protocolVersion, capabilities: {}, clientInfo: client };
  const sent = await exchange(target, { id: nextId(), method: 'initialize', params }, {}, limits);
  const answer = resultOf(sent);
  if (!answer.ok) return answer;
  const { result, headers } = answer;
  const negotiated = result['protocolVersion'];
  if (typeof negotiated !== 'string' || negotiated >= modernRevision)
    return notMcp('its answer to initialize names no legacy protocol version');
  const id = headers['mcp-session-id'];
  const session: Session = {
    ...draftSession('legacy', target, client, negotiated),
    sessionId: typeof id === 'string' ? id : undefined,
    ...described(result, result['serverInfo']),
  };
  const initialized = { method: 'notifications/initialized' };
  const told = await exchange(target, initialized, headersFor(session, '', {}), limits);
  return told.kind === 'accepted' || told.kind === 'answered'
    ? opened(session)
    : { ok: false, failure: told };
}

const opened = (session: Session): Opened => ({ ok: true, session });
const notMcp = (reason: string) => ({ ok: false, failure: { kind: 'not_mcp', reason } }) as const;

function draftSession(
  era: Session['era'],
  target: Target,
  client: ClientInfo,
  protocolVersion: string,
): Session {
  const nothing = { sessionId: undefined, instructions: undefined, ttlMs: undefined };
  return { era, target, client, protocolVersion, serverInfo: {}, capabilities: {}, ...nothing };
}

function described(result: JsonObject, serverInfo: unknown) {
  const { capabilities, instructions, ttlMs } = result;
  return {
    serverInfo: isObject(serverInfo) ? serverInfo : {},
    capabilities: isObject(capabilities) ? capabilities : {},
    instructions: typeof instructions === 'string' ? instructions : undefined,
    ttlMs: typeof ttlMs === 'number' ? ttlMs : undefined,
  };
}

let lastId = 0;
const nextId = (): number => ++lastId;

/** One request in `session`, with the headers and `_meta` of its era. */
export async function request(
  session: Session,
  method: string,
  params: JsonObject,
  limits: Limits,
): Promise<Exchange> {
  const full = session.era === 'modern' ? withMeta(params, session) : params;
  const headers = headersFor(session, method, params);
  return exchange(session.target, { id: nextId(), method, params: full }, headers, limits);
}

/** What a client asks to be told of by `subscriptions/listen`. */
export type Wanted = Readonly<Record<string, boolean | readonly string[]>>;

/**
 * Opens (with `listen`) the stream on which the server of `session` tells what
 * changed; a legacy server tells everything, whatever is wanted.
 */
export function listenRequest(session: Session, notifications: Wanted): ListenRequest {
  if (session.era === 'legacy') return { headers: headersFor(session, '', {}) };
  const method = 'subscriptions/listen';
  const params = withMeta({ notifications }, session);
  return {
    message: { id: nextId(), method, params },
    headers: headersFor(session, method, params),
  };
}

function withMeta(params: JsonObject, { client, protocolVersion }: Session): JsonObject {
  const given = isObject(params['_meta']) ? params['_meta'] : {};
  const meta = {
    [metaKeys.protocolVersion]: protocolVersion,
    [metaKeys.clientCapabilities]: {},
    [metaKeys.clientInfo]: client,
  };
  return { ...params, _meta: { ...meta, ...given } };
}

function headersFor(
  { era, protocolVersion, sessionId }: Session,
  method: string,
  params: JsonObject,
): Record<string, string> {
  const headers: Record<string, string> = { 'mcp-protocol-version': protocolVersion };
  if (sessionId !== undefined) headers['mcp-session-id'] = sessionId;
  if (era === 'legacy') return headers;
  headers['mcp-method'] = method;
  const name = params[namedParameter[method] ?? ''];
  if (typeof name === 'string') headers['mcp-name'] = encodeHeaderValue(name);
  return headers;
}

export type Listed =
  | { readonly ok: true; readonly items: readonly unknown[]; readonly firstPage: JsonObject }
  | { readonly ok: false; readonly failure: Failure };

const pagesMax = 1_000;

/**
 * All pages of a list: `listAll(session, 'tools/list', 'tools', limits)`. The
 * deadline holds for each page, the size for all together; an empty string is
 * a cursor like any other.
 */
export async function listAll(
  session: Session,
  method: string,
  key: string,
  limits: Limits,
): Promise<Listed> {
  const items: unknown[] = [];
  const sizeMax = limits.bytesMax ?? bytesMaxDefault;
  let size = 0;
  const seen = new Set<string>();
  let firstPage: JsonObject | undefined;
  let cursor: string | undefined;
  while (seen.size < pagesMax) {
    const params = cursor === undefined ? {} : { cursor };
    const answer = resultOf(await request(session, method, params, limits));
    if (!answer.ok) return answer;
    const page = answer.result[key];
    if (!Array.isArray(page)) return notMcp(`its answer to ${method} holds no list "${key}"`);
    size += answer.size;
    if (size > sizeMax) return notMcp(`its ${method} is larger than ${sizeMax} bytes`);
    for (const item of page as unknown[]) items.push(item);
    firstPage ??= answer.result;
    const next = answer.result['nextCursor'];
    if (typeof next !== 'string') return { ok: true, items, firstPage };
    if (seen.has(next)) return notMcp(`its ${method} gave the same cursor twice`);
    seen.add(next);
    cursor = next;
  }
  return notMcp(`its ${method} has more than ${pagesMax} pages`);
}

/** Ends a legacy session at the server; one without an id has nothing to end. */
export async function closeSession(session: Session, limits: Limits): Promise<void> {
  if (session.sessionId === undefined) return;
  await deleteSession(session.target, headersFor(session, '', {}), limits);
}

type Result =
  | {
      readonly ok: true;
      readonly result: JsonObject;
      readonly headers: IncomingHttpHeaders;
      readonly size: number;
    }
  | { readonly ok: false; readonly failure: Failure };

/** An exchange that must hold a result: a JSON-RPC error is a refusal here. */
function resultOf(outcome: Exchange): Result {
  if (outcome.kind === 'accepted') return notMcp('it answered a request with nothing');
  if (outcome.kind !== 'answered') return { ok: false, failure: outcome };
  const { response, headers, size } = outcome;
  if ('result' in response) return { ok: true, result: response.result, headers, size };
  const refused = { kind: 'refused', status: 200, snippet: '', error: response.error } as const;
  return { ok: false, failure: refused };
}
