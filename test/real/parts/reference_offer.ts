/**
 * What the reference server offers besides its plain tools: prompts, resources,
 * completion, and tools that report, linger and change things while they run.
 */
import {
  ResourceTemplate,
  completable,
  type McpServer,
  type ServerContext,
  type ServerNotifier,
} from '@modelcontextprotocol/server';
import { z } from 'zod';

export const offered = {
  tools: {},
  prompts: {},
  resources: { subscribe: true },
  completions: {},
  logging: {},
};

/** `notifier` tells modern listeners; it is there once the handler is. */
export function registerOffer(
  server: McpServer,
  name: string,
  notifier: () => ServerNotifier | undefined,
): void {
  registerDocuments(server, name);
  registerReports(server);
  registerLingering(server);
  registerTouch(server, name, notifier);
}

const words = (text: string) => ({ content: [{ type: 'text' as const, text }] });
const nothing = z.object({});

function registerDocuments(server: McpServer, name: string): void {
  const begins = (begun: string) => [`${name}-ann`, `${name}-bob`].filter((w) => w.includes(begun));
  server.registerPrompt(
    'greet',
    { description: 'Greets.', argsSchema: z.object({ who: completable(z.string(), begins) }) },
    ({ who }) => ({
      messages: [{ role: 'user', content: { type: 'text', text: `${name} greets ${who}` } }],
    }),
  );
  const one = `note://${name}/one`;
  server.registerResource('one', one, { description: 'A note.' }, () => ({
    contents: [{ uri: one, text: `one of ${name}` }],
  }));
  const template = new ResourceTemplate(`note://${name}/numbered/{id}`, {
    list: undefined,
    complete: { id: (begun) => [`${name}-1`, `${name}-2`].filter((id) => id.startsWith(begun)) },
  });
  server.registerResource('numbered', template, { description: 'Notes.' }, ({ href }, { id }) => ({
    contents: [{ uri: href, text: `note ${String(id)} of ${name}` }],
  }));
}

function registerReports(server: McpServer): void {
  const description = 'Sends progress and log messages before it answers.';
  server.registerTool('report', { description, inputSchema: nothing }, async (_none, context) => {
    await report(context);
    return words('reported');
  });
}

async function report({ mcpReq }: ServerContext): Promise<void> {
  const progressToken = mcpReq._meta?.progressToken;
  for (const progress of [1, 2]) {
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- both eras still have it
    await mcpReq.log('info', `step ${progress}`);
    if (progressToken === undefined) continue;
    const params = { progressToken, progress, total: 2 };
    await mcpReq.notify({ method: 'notifications/progress', params });
  }
}

/** Of the whole process: a modern server has no session to keep it in. */
let cancelled = 0;

function registerLingering(server: McpServer): void {
  const lingers = { description: 'Answers only when it is cancelled.', inputSchema: nothing };
  server.registerTool('linger', lingers, async (_none, { mcpReq: { signal } }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    cancelled++;
    return words('cancelled');
  });
  const counts = { description: 'How many calls were cancelled.', inputSchema: nothing };
  server.registerTool('cancellations', counts, () => words(String(cancelled)));
}

function registerTouch(
  server: McpServer,
  name: string,
  notifier: () => ServerNotifier | undefined,
): void {
  const subscribed = new Set<string>();
  server.server.setRequestHandler('resources/subscribe', ({ params }) => {
    subscribed.add(params.uri);
    return {};
  });
  server.server.setRequestHandler('resources/unsubscribe', ({ params }) => {
    subscribed.delete(params.uri);
    return {};
  });
  const description = 'Says that the note changed, to those who wanted to know.';
  server.registerTool('touch', { description, inputSchema: nothing }, async () => {
    const uri = `note://${name}/one`;
    notifier()?.resourceUpdated(uri);
    if (subscribed.has(uri)) await server.server.sendResourceUpdated({ uri });
    return words('touched');
  });
}
