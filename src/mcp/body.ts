/**
 * A request body read without losing a byte of it. `JSON.parse` gives the
 * meaning; a scan of the same text gives where things stand, so that one value
 * is replaced and everything else (long numbers, `1.0`, blanks, escapes) goes on
 * as the client wrote it. A textual search would find names inside arguments.
 */
import { isObject, type JsonObject } from '../mcp_wire.js';

interface Span {
  readonly start: number;
  readonly end: number;
}

export interface MessageBody {
  readonly text: string;
  readonly message: JsonObject;
  /** The `id` as written; undefined when there is none. */
  readonly idText: string | undefined;
  /** Where the value of `params.name` stands. */
  readonly nameSpan: Span | undefined;
  /** Where the value of `params.ref.name` stands. */
  readonly referenceSpan: Span | undefined;
}

export type BodyRead =
  | { readonly kind: 'object'; readonly body: MessageBody }
  | { readonly kind: 'batch' }
  /** Not JSON (as UTF-8). */
  | { readonly kind: 'malformed'; readonly reason: string }
  /** JSON, but no message: not an object, or a key stands twice where we read. */
  | { readonly kind: 'invalid'; readonly reason: string };

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function readBody(bytes: Uint8Array): BodyRead {
  let text: string;
  let message: unknown;
  try {
    text = utf8.decode(bytes);
    message = JSON.parse(text);
  } catch {
    return { kind: 'malformed', reason: 'the body is not JSON in UTF-8' };
  }
  if (Array.isArray(message)) return { kind: 'batch' };
  if (!isObject(message)) return { kind: 'invalid', reason: 'the body is not a JSON object' };
  return scanned(text, message);
}

/** The bytes of `body` with `name` as its `params.name`; all else as it was. */
export const withName = ({ text, nameSpan }: MessageBody, name: string): Buffer =>
  withText(text, nameSpan, name);

/** The same for `params.ref.name`, where a completion names its prompt. */
export const withReference = ({ text, referenceSpan }: MessageBody, name: string): Buffer =>
  withText(text, referenceSpan, name);

function withText(text: string, span: Span | undefined, value: string): Buffer {
  if (span === undefined) return Buffer.from(text);
  return Buffer.from(text.slice(0, span.start) + JSON.stringify(value) + text.slice(span.end));
}

/** The levels we read are the ones where two readers could disagree about a doubled key. */
function scanned(text: string, message: JsonObject): BodyRead {
  const root = membersAt(text, skipBlank(text, 0));
  if (typeof root === 'string') return doubled(root);
  const params = membersWithin(text, root.get('params'));
  if (typeof params === 'string') return doubled(`params.${params}`);
  const meta = membersWithin(text, params.get('_meta'));
  if (typeof meta === 'string') return doubled(`params._meta.${meta}`);
  const reference = membersWithin(text, params.get('ref'));
  if (typeof reference === 'string') return doubled(`params.ref.${reference}`);
  const id = root.get('id');
  const idText = id === undefined ? undefined : text.slice(id.start, id.end);
  const [nameSpan, referenceSpan] = [params.get('name'), reference.get('name')];
  return { kind: 'object', body: { text, message, idText, nameSpan, referenceSpan } };
}

const doubled = (path: string): BodyRead => ({
  kind: 'invalid',
  reason: `the key ${path} stands twice`,
});

type Members = ReadonlyMap<string, Span>;

function membersWithin(text: string, span: Span | undefined): Members | string {
  return span !== undefined && text[span.start] === '{' ? membersAt(text, span.start) : new Map();
}

/**
 * The members of the object that begins at `start`, or a key that stands twice.
 * `text` has passed `JSON.parse`: the scan relies on that and checks no syntax.
 */
function membersAt(text: string, start: number): Members | string {
  const members = new Map<string, Span>();
  let at = skipBlank(text, start + 1);
  while (text[at] === '"') {
    const keyEnd = endOfString(text, at);
    const key = JSON.parse(text.slice(at, keyEnd)) as string;
    if (members.has(key)) return key;
    const colon = skipBlank(text, keyEnd);
    const value = skipBlank(text, colon + 1);
    const end = endOfValue(text, value);
    members.set(key, { start: value, end });
    at = skipBlank(text, end);
    if (text[at] === ',') at = skipBlank(text, at + 1);
  }
  return members;
}

function skipBlank(text: string, from: number): number {
  let at = from;
  while (isBlank(text.charCodeAt(at))) at++;
  return at;
}

const isBlank = (code: number): boolean =>
  code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;

/** The offset behind the closing quote of the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let quote = text.indexOf('"', start + 1);
  while (isEscaped(text, quote)) quote = text.indexOf('"', quote + 1);
  return quote + 1;
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text[at - 1 - backslashes] === '\\') backslashes++;
  return backslashes % 2 === 1;
}

function endOfValue(text: string, start: number): number {
  const first = text[start];
  if (first === '"') return endOfString(text, start);
  if (first === '{' || first === '[') return endOfNested(text, start);
  const tail = /[,}\]\s]/g;
  tail.lastIndex = start;
  return tail.exec(text)?.index ?? text.length;
}

function endOfNested(text: string, start: number): number {
  const landmark = /["{}[\]]/g;
  landmark.lastIndex = start;
  let depth = 0;
  for (;;) {
    const found = landmark.exec(text);
    if (found === null) return text.length;
    const sign = found[0];
    if (sign === '"') landmark.lastIndex = endOfString(text, found.index);
    else if (sign === '{' || sign === '[') depth++;
    else if (--depth === 0) return found.index + 1;
  }
}
