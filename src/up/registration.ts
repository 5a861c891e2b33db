/** What `mcpx up` asks of the admin API for its demo servers. */
import { z } from 'zod';
import {
  callAdmin,
  type AdminAnswer,
  type AdminCall,
  type Credentials,
} from '../admin_client/call.js';
import { openLegacy, listAll, closeSession } from '../mcp_client/conversation.js';

const toolList = z.object({
  tools: z.array(
    z.object({ name: z.string(), service: z.string(), description: z.string().optional() }),
  ),
});

export type OfferedTool = z.infer<typeof toolList>['tools'][number];

/** Where the admin API is, and who we are to it. */
export interface AdminApi {
  readonly url: string;
  readonly credentials: () => Promise<Credentials>;
}

async function ask({ url, credentials }: AdminApi, path: string, call: AdminCall = {}) {
  return callAdmin(`${url}${path}`, call, await credentials());
}

const jsonOf = async (answer: AdminAnswer): Promise<unknown> => JSON.parse(await answer.text());

export async function register(
  admin: AdminApi,
  registration: Readonly<Record<string, unknown>>,
): Promise<void> {
  const response = await ask(admin, '/v1/services', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(registration),
  });
  if (!response.ok)
    throw new Error(`${String(registration['name'])} was not registered: ${await response.text()}`);
}

export async function deregister(admin: AdminApi, name: string): Promise<void> {
  const signal = AbortSignal.timeout(2_000);
  await ask(admin, `/v1/services/${name}`, { method: 'DELETE', signal });
}

const removal = z.object({ removed: z.array(z.string()) });
const instanceList = z.object({ instances: z.array(z.object({ id: z.string() })) });

/**
 * Removes what a killed run left behind, whose servers are gone, and waits until no Envoy
 * is to be told of it: with its tools still known, everything would look ready too early.
 */
export async function clearAway(admin: AdminApi, name: string, signal: AbortSignal): Promise<void> {
  const path = `/v1/services/${name}`;
  const answer = await ask(admin, path, { method: 'DELETE', signal });
  if (!answer.ok) return;
  const { removed } = removal.parse(await jsonOf(answer));
  for (;;) {
    const shown = await ask(admin, path, { signal });
    if (!shown.ok) return;
    const { instances } = instanceList.parse(await jsonOf(shown));
    if (!instances.some(({ id }) => removed.includes(id))) return;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

export async function offeredTools(admin: AdminApi): Promise<readonly OfferedTool[]> {
  return toolList.parse(await jsonOf(await ask(admin, '/v1/tools'))).tools;
}

const pollMs = 50;

/** Resolves with the number of tools once agents find every wanted one through the gateway. */
export async function whenOffered(
  gateway: string,
  admin: AdminApi,
  wanted: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  for (;;) {
    const known = await offeredTools(admin);
    const names = new Set(known.map(({ name }) => name));
    const absent = wanted.filter((name) => !names.has(name));
    if (absent.length === 0 && (await reachable(gateway, wanted))) return known.length;
    if (signal.aborted) throw new Error(notOffered(absent));
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

const notOffered = (absent: readonly string[]): string =>
  absent.length > 0
    ? `These tools were not found in time: ${absent.join(', ')}.`
    : 'All tools were found, but the gateway did not offer them in time.';

/** Whether an agent that connects now sees every wanted tool. */
async function reachable(gateway: string, wanted: readonly string[]): Promise<boolean> {
  const limits = { deadlineMs: 5_000 };
  const opened = await openLegacy(
    { url: `${gateway}/mcp` },
    { name: 'mcpx', version: '1' },
    limits,
  );
  if (!opened.ok) return false;
  const listed = await listAll(opened.session, 'tools/list', 'tools', limits);
  await closeSession(opened.session, limits);
  if (!listed.ok) return false;
  const names = new Set(listed.items.map((item) => (item as { name?: unknown }).name));
  return wanted.every((name) => names.has(name));
}
