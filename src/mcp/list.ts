/** The lists of the aggregate: pages in the order of names, and who is missing. */
import type { Era } from '../fleet/fleet.js';
import type { JsonObject } from '../mcp_wire.js';
import { callFailed, codes, resultAnswer, type Answer } from './answer.js';
import type { Request } from './classify.js';
import type { ListKind, Offer, Offered } from './offer.js';

const pageSize = 1_000;

/** What a modern client may keep a list for; a partial one is never kept (mcp-protocol.md 5). */
export const listTtlMs = 5_000;

export const listMethods: ReadonlyMap<string, ListKind> = new Map([
  ['tools/list', 'tools'],
  ['prompts/list', 'prompts'],
  ['resources/list', 'resources'],
  ['resources/templates/list', 'resourceTemplates'],
]);

export function answerList(
  { params, idText }: Request,
  kind: ListKind,
  era: Era,
  offer: Offer,
): Answer {
  const list = offer.lists[era][kind];
  const start = startOf(list, kind, params['cursor']);
  if (start === undefined) return callFailed(codes.invalidParams, 'Invalid cursor')(idText);
  const page = list.slice(start, start + pageSize);
  const last = page.at(-1);
  const more = last !== undefined && start + pageSize < list.length;
  const rest: JsonObject = {
    ...(more && { nextCursor: cursorAfter(kind, last.name) }),
    ...extrasOf(era, offer),
  };
  const items = `"${kind}":[${page.map(({ text }) => text).join(',')}]`;
  const tail = Object.keys(rest).length === 0 ? '' : `,${JSON.stringify(rest).slice(1, -1)}`;
  return resultAnswer(idText, `{${items}${tail}}`);
}

function extrasOf(era: Era, offer: Offer): JsonObject {
  const missing = offer.missing[era];
  const meta = missing.length > 0 ? { _meta: { 'mcpx/missing': missing } } : {};
  if (era === 'legacy') return meta;
  const ttlMs = missing.length > 0 ? 0 : listTtlMs;
  return { resultType: 'complete', ttlMs, cacheScope: 'private', ...meta };
}

/** A page begins after a name, not at a number: a catalogue may change between two pages. */
const cursorAfter = (kind: ListKind, name: string): string =>
  Buffer.from(`${kind} after ${name}`).toString('base64url');

function startOf(list: readonly Offered[], kind: ListKind, cursor: unknown): number | undefined {
  if (cursor === undefined) return 0;
  if (typeof cursor !== 'string') return undefined;
  const text = Buffer.from(cursor, 'base64url').toString();
  const begin = `${kind} after `;
  if (!text.startsWith(begin)) return undefined;
  const name = text.slice(begin.length);
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((list[middle]?.name ?? '') > name) high = middle;
    else low = middle + 1;
  }
  return low;
}
