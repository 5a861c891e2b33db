/**
 * What a request on `/mcp` is, decided once: which era, which message, or a
 * rejection with its status and code. The body speaks first and the headers are
 * the cross-check (mcp-protocol.md 3), so a proxy that drops a header cannot
 * turn one era into the other. Pure.
 */
import { sessionHeader } from '../gateway_contract.js';
import { decodeHeaderValue, isObject, metaKeys, namedParameter } from '../mcp_wire.js';
import type { JsonObject } from '../mcp_wire.js';
import { codes, errorAnswer, methodNotAllowed, type Answer } from './answer.js';
import { readBody, type MessageBody } from './body.js';
import { eraOf, versionsOf } from './revisions.js';

/** A request without its body. Header names are in lower case. */
export interface Head {
  readonly verb: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Message {
  readonly method: string;
  readonly params: JsonObject;
  readonly body: MessageBody;
}

export interface Request extends Message {
  /** The id as the client wrote it. */
  readonly idText: string;
}

export type Classified =
  | { readonly kind: 'legacy'; readonly request: Request }
  | { readonly kind: 'modern'; readonly request: Request }
  | {
      readonly kind: 'notification';
      readonly era: 'legacy' | 'modern';
      readonly message: Message;
    }
  /** A legacy client answers a server's request. */
  | { readonly kind: 'response' }
  /** A legacy client ends its session. */
  | { readonly kind: 'end' }
  /** A legacy client wants to hear what belongs to no request of its own. */
  | { readonly kind: 'stream' }
  | { readonly kind: 'rejected'; readonly answer: Answer };

export function classify(head: Head, bytes: Uint8Array): Classified {
  if (head.verb === 'DELETE' && !saysModern(head)) return { kind: 'end' };
  if (asksForStream(head)) return { kind: 'stream' };
  if (head.verb !== 'POST') return { kind: 'rejected', answer: methodNotAllowed };
  const media = mediaProblem(head);
  if (media !== undefined) return reject(415, codes.badRequest, media);
  const read = readBody(bytes);
  switch (read.kind) {
    case 'malformed':
      return reject(400, codes.parseError, `Parse error: ${read.reason}`);
    case 'invalid':
      return reject(400, codes.invalidRequest, `Invalid request: ${read.reason}`);
    case 'batch':
      return reject(400, codes.invalidRequest, 'Batches are not taken here: send one message.');
    case 'object':
      return classifyMessage(head, read.body);
  }
}

/** The header names a modern revision: the era for as long as the body was not read. */
export function saysModern({ headers }: Head): boolean {
  const version = headers['mcp-protocol-version'];
  return version !== undefined && eraOf(version.trim()) === 'modern';
}

/** Without a session there is no stream: 405 says so in every revision. */
export function asksForStream(head: Head): boolean {
  return head.verb === 'GET' && head.headers[sessionHeader] !== undefined && !saysModern(head);
}

function mediaProblem({ headers }: Head): string | undefined {
  const type = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'application/json') return 'Content-Type must be application/json.';
  const encoding = headers['content-encoding'] ?? 'identity';
  return encoding === 'identity' ? undefined : 'The body must not be compressed.';
}

function reject(status: number, code: number, message: string, about: About = {}): Classified {
  const { data, idText } = about;
  const error = { code, message, ...(data && { data }) };
  return { kind: 'rejected', answer: errorAnswer(status, error, idText) };
}

interface About {
  readonly idText?: string | undefined;
  readonly data?: JsonObject;
}

function classifyMessage(head: Head, body: MessageBody): Classified {
  const { message, idText } = body;
  const method = message['method'];
  if (message['jsonrpc'] !== '2.0')
    return reject(400, codes.invalidRequest, 'Invalid request: jsonrpc must be "2.0".');
  if (method === undefined && ('result' in message || 'error' in message))
    return saysModern(head)
      ? reject(400, codes.invalidRequest, 'A modern client sends no responses.')
      : { kind: 'response' };
  if (typeof method !== 'string')
    return reject(400, codes.invalidRequest, 'Invalid request: method must be a string.');
  const params = message['params'] ?? {};
  if (!isObject(params))
    return reject(400, codes.invalidRequest, 'Invalid request: params must be an object.');
  const read: Message = { method, params, body };
  if (idText === undefined) return classifyNotification(head, read);
  if (typeof message['id'] !== 'string' && typeof message['id'] !== 'number')
    return reject(400, codes.invalidRequest, 'Invalid request: id must be a string or a number.');
  return classifyRequest(head, { ...read, idText });
}

function classifyNotification(head: Head, message: Message): Classified {
  const claim = claimOf(message.params);
  if (claim === undefined && !saysModern(head))
    return { kind: 'notification', era: 'legacy', message };
  return headerProblem(head, message, claim) ?? { kind: 'notification', era: 'modern', message };
}

/** The revision that the body claims; only modern bodies claim one. */
function claimOf(params: JsonObject): unknown {
  const meta = params['_meta'];
  return isObject(meta) ? meta[metaKeys.protocolVersion] : undefined;
}

function classifyRequest(head: Head, request: Request): Classified {
  const claim = claimOf(request.params);
  const { idText } = request;
  if (claim === undefined && saysModern(head)) {
    if (request.method === 'initialize')
      return mismatch(request, 'initialize is not of the revision that the header names');
    const missing = { missing: [metaKeys.protocolVersion] };
    const message = `Invalid params: _meta lacks ${metaKeys.protocolVersion}.`;
    return reject(400, codes.invalidParams, message, { idText, data: missing });
  }
  if (claim === undefined) return classifyLegacy(head, request);
  return (
    metaProblem(request, claim) ??
    headerProblem(head, request, claim) ??
    versionProblem(request, claim) ??
    requiredHeaderProblem(head, request) ?? { kind: 'modern', request }
  );
}

function classifyLegacy(head: Head, request: Request): Classified {
  const version = head.headers['mcp-protocol-version']?.trim();
  const supported = versionsOf('legacy');
  // Before the handshake is done the header means nothing yet.
  if (request.method === 'initialize' || version === undefined || supported.includes(version))
    return { kind: 'legacy', request };
  const message = `Bad Request: unsupported protocol version ${version} (${supported.join(', ')}).`;
  return reject(400, codes.badRequest, message, { idText: request.idText });
}

function metaProblem({ params, idText }: Request, claim: unknown): Classified | undefined {
  const meta = isObject(params['_meta']) ? params['_meta'] : {};
  if (typeof claim === 'string' && isObject(meta[metaKeys.clientCapabilities])) return undefined;
  const wrong = typeof claim === 'string' ? metaKeys.clientCapabilities : metaKeys.protocolVersion;
  const message = `Invalid params: _meta lacks a proper ${wrong}.`;
  return reject(400, codes.invalidParams, message, { idText, data: { missing: [wrong] } });
}

/** Headers that are there and disagree with the body. */
function headerProblem(head: Head, message: Message, claim: unknown): Classified | undefined {
  const version = head.headers['mcp-protocol-version']?.trim();
  if (version !== undefined && claim !== undefined && version !== claim)
    return mismatch(message, `MCP-Protocol-Version says ${version}, the body says otherwise`);
  const method = head.headers['mcp-method']?.trim();
  if (method !== undefined && method !== message.method)
    return mismatch(message, `Mcp-Method says ${method}, the body says ${message.method}`);
  return undefined;
}

function mismatch({ body }: Message, what: string): Classified {
  const message = `Header mismatch: ${what}.`;
  return reject(400, codes.headerMismatch, message, { idText: body.idText });
}

function versionProblem({ idText }: Request, claim: unknown): Classified | undefined {
  const supported = versionsOf('modern');
  if (supported.some((version) => version === claim)) return undefined;
  const data = { supported, requested: claim };
  return reject(400, codes.unsupportedVersion, 'Unsupported protocol version', { idText, data });
}

function requiredHeaderProblem({ headers }: Head, request: Request): Classified | undefined {
  for (const name of ['mcp-protocol-version', 'mcp-method'])
    if (headers[name] === undefined) return mismatch(request, `${name} is missing`);
  const key = namedParameter[request.method];
  const value = key === undefined ? undefined : request.params[key];
  const header = headers['mcp-name'];
  if (key === undefined || (header === undefined && value === undefined)) return undefined;
  if (header === undefined) return mismatch(request, 'mcp-name is missing');
  const name = decodeHeaderValue(header);
  if (name === undefined) return mismatch(request, 'Mcp-Name is badly encoded');
  if (name !== value) return mismatch(request, `Mcp-Name says ${name}, the body's ${key} differs`);
  return undefined;
}
