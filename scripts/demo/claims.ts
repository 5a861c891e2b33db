/**
 * A small modern-era MCP server in any version, to be shipped and taken back: version
 * and the share of calls that fail are its arguments. It says "ready PORT", and ends
 * with its stdin.
 */
import { createServer } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { McpServer, createMcpHandler } from '@modelcontextprotocol/server';
import { z } from 'zod';

const [version = '1.0.0', failing = '0'] = process.argv.slice(2);
const text = (content: string) => ({ content: [{ type: 'text' as const, text: content }] });

function claimsServer(): McpServer {
  const server = new McpServer({ name: 'claims', version });
  server.registerTool(
    'estimate',
    {
      description: 'What a claim will cost.',
      inputSchema: z.object({}),
      annotations: { readOnlyHint: true },
    },
    () => {
      if (Math.random() >= Number(failing)) return text('12,400 USD');
      return { ...text('The tariff table is missing.'), isError: true };
    },
  );
  if (version !== '1.0.0')
    server.registerTool(
      'explain',
      { description: 'Why a claim costs what it costs.', inputSchema: z.object({}) },
      () => text('Hull, cargo and a deductible.'),
    );
  return server;
}

const handle = toNodeHandler(createMcpHandler(claimsServer));
const server = createServer((request, response) => void handle(request, response));
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`ready ${typeof address === 'object' ? address?.port : ''}\n`);
});
process.stdin.resume().once('end', () => process.exit(0));
