/** `tools/list` on the aggregate: pages by name, and who is missing. */
import type { Era } from '../fleet/fleet.js';
import type { JsonObject } from '../mcp_wire.js';
import { callFailed, codes, resultAnswer, type Answer } from './answer.js';
import type { Request } from './classify.js';
import type { Offer, OfferedTool } from './offer.js';

const pageSize = 1_000;

/** What a modern client may keep a list for; a partial one is never kept (mcp-protocol.md 5). */
export const listTtlMs = 5_000;

export function listTools({ params, idText }: Request, era: Era, offer: Offer): Answer {
  const list = offer.lists[era];
  const start = startOf(list, params['cursor']);
  if (start === undefined) return callFailed(codes.invalidParams, 'Invalid cursor')(idText);
  const page = list.slice(start, start + pageSize);
  const last = page.at(-1);
  const more = last !== undefined && start + pageSize < list.length;
  const rest: JsonObject = {
    ...(more && { nextCursor: cursorAfter(last.name) }),
    ...extrasOf(era, offer),
  };
  const tools = `"tools":[${page.map(({ text }) => text).join(',')}]`;
  const tail = Object.keys(rest).length === 0 ? '' : `,${JSON.stringify(rest).slice(1, -1)}`;
  return resultAnswer(idText, `{${tools}${tail}}`);
}

function extrasOf(era: Era, offer: Offer): JsonObject {
  const missing = offer.missing[era];
  const meta = missing.length > 0 ? { _meta: { 'mcpx/missing': missing } } : {};
  if (era === 'legacy') return meta;
  const ttlMs = missing.length > 0 ? 0 : listTtlMs;
  return { resultType: 'complete', ttlMs, cacheScope: 'private', ...meta };
}

/** A page begins after a name, not at a number: a catalogue may change between two pages. */
const cursorAfter = (name: string): string => Buffer.from(`after ${name}`).toString('base64url');

function startOf(list: readonly OfferedTool[], cursor: unknown): number | undefined {
  if (cursor === undefined) return 0;
  if (typeof cursor !== 'string') return undefined;
  const [, name] = /^after (.+)$/s.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (name === undefined) return undefined;
  const found = list.findIndex((tool) => tool.name > name);
  return found === -1 ? list.length : found;
}
