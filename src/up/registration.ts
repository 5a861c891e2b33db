/** What `mcpx up` asks of the admin API for its demo servers. */
import { z } from 'zod';
import { openLegacy, listAll, closeSession } from '../conversation.js';

const toolList = z.object({
  tools: z.array(
    z.object({ name: z.string(), service: z.string(), description: z.string().optional() }),
  ),
});

export type OfferedTool = z.infer<typeof toolList>['tools'][number];

export async function register(
  admin: string,
  registration: Readonly<Record<string, unknown>>,
): Promise<void> {
  const response = await fetch(`${admin}/v1/services`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(registration),
  });
  if (!response.ok)
    throw new Error(`${String(registration['name'])} was not registered: ${await response.text()}`);
}

export async function deregister(admin: string, name: string): Promise<void> {
  const signal = AbortSignal.timeout(2_000);
  await fetch(`${admin}/v1/services/${name}`, { method: 'DELETE', signal });
}

const removal = z.object({ removed: z.array(z.string()) });
const instanceList = z.object({ instances: z.array(z.object({ id: z.string() })) });

/**
 * Removes what a killed run left behind, whose servers are gone, and waits until no Envoy
 * is to be told of it: with its tools still known, everything would look ready too early.
 */
export async function clearAway(admin: string, name: string, signal: AbortSignal): Promise<void> {
  const url = `${admin}/v1/services/${name}`;
  const answer = await fetch(url, { method: 'DELETE', signal });
  if (!answer.ok) return;
  const { removed } = removal.parse(await answer.json());
  for (;;) {
    const shown = await fetch(url, { signal });
    if (!shown.ok) return;
    const { instances } = instanceList.parse(await shown.json());
    if (!instances.some(({ id }) => removed.includes(id))) return;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

export async function offeredTools(admin: string): Promise<readonly OfferedTool[]> {
  const response = await fetch(`${admin}/v1/tools`);
  return toolList.parse(await response.json()).tools;
}

const pollMs = 50;

/** Resolves with the number of tools once agents find every wanted one through the gateway. */
export async function whenOffered(
  gateway: string,
  admin: string,
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
