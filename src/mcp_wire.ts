/**
 * The words of MCP that every room speaking it shares: revisions, JSON-RPC
 * shapes, `_meta` keys, and how a value travels in a header.
 */

/** The newest revision of each era. */
export const modernRevision = '2026-07-28';
export const legacyRevision = '2025-11-25';

/** Keys of a modern request's `params._meta`. */
export const metaKeys = {
  protocolVersion: 'io.modelcontextprotocol/protocolVersion',
  clientCapabilities: 'io.modelcontextprotocol/clientCapabilities',
  clientInfo: 'io.modelcontextprotocol/clientInfo',
  serverInfo: 'io.modelcontextprotocol/serverInfo',
  subscriptionId: 'io.modelcontextprotocol/subscriptionId',
} as const;

export type JsonObject = Readonly<Record<string, unknown>>;

export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

export type RpcResponse = { readonly result: JsonObject } | { readonly error: RpcError };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const unsafeInHeader = /^$|^=\?base64\?(.*\?)?=$|^\s|\s$|[^\t\x20-\x7e]/s;

/** A value for `Mcp-Name` or `Mcp-Param-*`; wrapped where a header could not hold it. */
export function encodeHeaderValue(value: string): string {
  if (!unsafeInHeader.test(value)) return value;
  return `=?base64?${Buffer.from(value).toString('base64')}?=`;
}

/** Undefined when it claims to be wrapped and is not wrapped well. */
export function decodeHeaderValue(header: string): string | undefined {
  const value = header.replace(/^[ \t]+|[ \t]+$/g, '');
  const wrapped = /^=\?base64\?(.*)\?=$/.exec(value)?.[1];
  if (wrapped === undefined) return value;
  const bytes = Buffer.from(wrapped, 'base64');
  const text = bytes.toString('utf8');
  const isStrict = bytes.toString('base64') === wrapped && Buffer.from(text).equals(bytes);
  return isStrict ? text : undefined;
}

/** The parameter that `Mcp-Name` repeats, for the methods that have one. */
export const namedParameter: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
};
