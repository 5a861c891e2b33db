/** What the filter service says itself: JSON-RPC answers with their HTTP status. */
import type { JsonObject, RpcError } from '../mcp_wire.js';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON, or empty. */
  readonly body: string;
}

/** JSON-RPC codes; ours lie outside the ranges JSON-RPC and MCP keep for themselves. */
export const codes = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  badRequest: -32000,
  sessionNotFound: -32001,
  /** Legacy only; in the modern era the parameter is invalid. */
  resourceNotFound: -32002,
  headerMismatch: -32020,
  unsupportedVersion: -32022,
  serviceUnavailable: -31000,
  otherEra: -31001,
  notReady: -31002,
} as const;

const jsonHeaders = { 'content-type': 'application/json' };

/**
 * `idText` is the id as the client wrote it: parsed and printed again, a long
 * number would come back as another one. `resultText` is JSON too.
 */
export function resultAnswer(
  idText: string,
  resultText: string,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  const body = `{"jsonrpc":"2.0","id":${idText},"result":${resultText}}`;
  return { status: 200, headers: { ...jsonHeaders, ...headers }, body };
}

/** `idText` is undefined where the request's id is unknown. */
export function errorAnswer(status: number, error: RpcError, idText?: string): Answer {
  const body = `{"jsonrpc":"2.0","id":${idText ?? 'null'},"error":${JSON.stringify(error)}}`;
  return { status, headers: jsonHeaders, body };
}

export function emptyAnswer(status: number, headers: Readonly<Record<string, string>> = {}) {
  return { status, headers, body: '' } satisfies Answer;
}

/** Nothing to say, and taken: what a notification gets. */
export const accepted: Answer = emptyAnswer(202);

export const methodNotAllowed: Answer = {
  ...errorAnswer(405, {
    code: codes.badRequest,
    message: 'Method not allowed: POST, or GET and DELETE within a session.',
  }),
  headers: { ...jsonHeaders, allow: 'POST, GET, DELETE' },
};

export const sessionNotFound = (idText?: string): Answer =>
  errorAnswer(404, { code: codes.sessionNotFound, message: 'Session not found' }, idText);

/** An error that belongs to one call: HTTP says 200, the call itself failed. */
export function callFailed(code: number, message: string, data?: JsonObject) {
  return (idText: string): Answer =>
    errorAnswer(200, { code, message, ...(data && { data }) }, idText);
}
