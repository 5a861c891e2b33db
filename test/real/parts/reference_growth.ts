/** The reference server's tools as they grow at run time, and how long it may be believed. */
import type { McpServer, McpServerOptions, ServerNotifier } from '@modelcontextprotocol/server';
import { z } from 'zod';

/** Of the whole process: what one client made grow, all see. */
const grown = new Set<string>();
const live = new Set<McpServer>();

/** `notifier` tells modern listeners; sessions are told by their own servers. */
export function registerGrowth(
  server: McpServer,
  notifier: () => ServerNotifier | undefined,
): void {
  for (const tool of grown) registerGrown(server, tool);
  live.add(server);
  server.server.onclose = () => live.delete(server);
  const inputSchema = z.object({ tool: z.string(), quietly: z.boolean().default(false) });
  const description = 'Adds a tool, and tells everybody unless it does so quietly.';
  server.registerTool('grow', { description, inputSchema }, ({ tool, quietly }) => {
    grown.add(tool);
    if (!quietly) {
      for (const each of live) registerGrown(each, tool);
      notifier()?.toolsChanged();
    }
    return { content: [{ type: 'text', text: 'grown' }] };
  });
}

function registerGrown(server: McpServer, tool: string): void {
  server.registerTool(tool, { description: 'Grown.', inputSchema: z.object({}) }, () => ({
    content: [{ type: 'text', text: tool }],
  }));
}

/** The same for every list. */
export function cacheHints(ttlMs: number): NonNullable<McpServerOptions['cacheHints']> {
  const hint = { ttlMs, cacheScope: 'public' } as const;
  return {
    'server/discover': hint,
    'tools/list': hint,
    'prompts/list': hint,
    'resources/list': hint,
    'resources/templates/list': hint,
  };
}
