/** A call that goes on for as long as a test likes, telling its progress all the while. */
import type { McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';

const pauseMs = 25;

/** Of the whole process: who halts a march halts all. */
let halted = false;

export function registerMarch(server: McpServer, answer: string): void {
  const text = (words: string) => ({ content: [{ type: 'text' as const, text: words }] });
  const march = {
    description: 'Tells its progress until it is halted.',
    inputSchema: z.object({}),
  };
  server.registerTool('march', march, async (_none, { mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken ?? 'march';
    for (let progress = 1; !halted; progress++) {
      await mcpReq.notify({
        method: 'notifications/progress',
        params: { progressToken, progress },
      });
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    return text(answer);
  });
  const halt = { description: 'Ends every march.', inputSchema: z.object({}) };
  server.registerTool('halt', halt, () => {
    halted = true;
    return text('halted');
  });
}
