/** How the aggregate introduces itself: `initialize` (legacy) and `server/discover` (modern). */
import { readFileSync } from 'node:fs';
import { sessionHeader } from '../gateway_contract.js';
import type { ClientInfo } from '../mcp_client/conversation.js';
import { isObject, metaKeys, type JsonObject } from '../mcp_wire.js';
import { packageFile } from '../package_file.js';
import { resultAnswer, type Answer } from './answer.js';
import type { Request } from './classify.js';
import { listTtlMs } from './list.js';
import { offerOf } from './offer.js';
import { negotiated, versionsOf } from './revisions.js';
import type { UpstreamSession } from './session.js';
import type { State } from './state.js';

const { version } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as {
  version: string;
};
const serverInfo = { name: 'mcpx', title: 'MCPX gateway', version };

const instructions =
  'This gateway offers the tools, prompts and resources of many MCP servers. Names of tools ' +
  'and prompts begin with the name of their server, as in `claims__file_claim`. If a server is ' +
  'away, the lists say so in their `_meta` under `mcpx/missing`.';

export function discover({ idText }: Request, { catalogue }: State): Answer {
  const result = {
    resultType: 'complete',
    supportedVersions: versionsOf('modern'),
    capabilities: offerOf(catalogue.value.services).capabilities.modern,
    instructions,
    ttlMs: listTtlMs,
    cacheScope: 'private',
    _meta: { [metaKeys.serverInfo]: serverInfo },
  };
  return resultAnswer(idText, JSON.stringify(result));
}

/** More would not fit into a header; the others are opened at their first call. */
const eagerMax = 32;
const eagerDeadlineMs = 1_000;

export async function initialize({ params, idText }: Request, state: State): Promise<Answer> {
  const protocolVersion = negotiated(params['protocolVersion']);
  const client = clientInfoOf(params);
  const upstreams = await openEagerly({ client, protocolVersion }, state);
  const sealed = { protocolVersion, createdMs: Date.now(), client, upstreams };
  const id = state.sessions.seal(sealed);
  const { capabilities } = offerOf(state.catalogue.value.services);
  const result = { protocolVersion, capabilities: capabilities.legacy, serverInfo, instructions };
  return resultAnswer(idText, JSON.stringify(result), { [sessionHeader]: id });
}

/** All at once and within one deadline: a server that hangs costs the others nothing. */
async function openEagerly(
  introduction: { readonly client: ClientInfo; readonly protocolVersion: string },
  { catalogue, upstreams }: State,
): Promise<Record<string, UpstreamSession>> {
  const names = [...catalogue.value.services.values()]
    .filter(({ eras, missing }) => eras.includes('legacy') && missing === undefined)
    .map(({ name }) => name)
    .sort()
    .slice(0, eagerMax);
  const limits = { deadlineMs: eagerDeadlineMs, signal: AbortSignal.timeout(eagerDeadlineMs) };
  const opened = await Promise.all(
    names.map(async (name) => {
      const obtained = await upstreams.open(name, introduction, limits);
      return obtained.ok ? [[name, obtained.upstream] as const] : [];
    }),
  );
  return Object.fromEntries(opened.flat());
}

/** The names travel in the session id, so they are kept short. */
const nameMax = 64;

function clientInfoOf(params: JsonObject): ClientInfo {
  const info = isObject(params['clientInfo']) ? params['clientInfo'] : {};
  const text = (value: unknown) =>
    typeof value === 'string' && value !== '' ? value.slice(0, nameMax) : 'unknown';
  return { name: text(info['name']), version: text(info['version']) };
}
