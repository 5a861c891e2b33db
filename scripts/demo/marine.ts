/**
 * A small modern-era MCP server to look at: what a marine insurer's agents ask
 * for. Stateless, 127.0.0.1 only; `PORT` names its port (0: any free one), and
 * one JSON line on stdout says which it took.
 */
import { createServer } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { McpServer, createMcpHandler } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { portNames, voyage } from './marine_voyage.js';
import { premium, risks, vesselAgeMax } from './marine_premium.js';

const text = (content: string) => ({ content: [{ type: 'text' as const, text: content }] });

function marineServer(): McpServer {
  const server = new McpServer({ name: 'marine', version: '1.0.0' });
  server.registerTool(
    'voyage',
    {
      title: 'Voyage estimate',
      description: `Great-circle distance and sailing time between two of ${portNames.join(', ')}.`,
      inputSchema: z.object({
        from: z.string().describe('port of departure'),
        to: z.string().describe('port of arrival'),
        knots: z.number().min(1).max(40).default(14).describe('speed over ground'),
      }),
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    ({ from, to, knots }) => {
      const answer = voyage(from, to, knots);
      if (!answer.ok) return { ...text(answer.reason), isError: true };
      return { ...text(answer.table), structuredContent: answer.estimate };
    },
  );
  server.registerTool(
    'premium',
    {
      title: 'Hull and cargo quote',
      description: 'Yearly hull premium and the cargo premium of one voyage, with the reasons.',
      inputSchema: z.object({
        hullValue: z.number().positive().describe('insured value of the vessel, USD'),
        cargoValue: z.number().min(0).default(0).describe('insured value of the cargo, USD'),
        vesselAge: z.number().int().min(0).max(vesselAgeMax).describe('years since delivery'),
        routeRisk: z.enum(risks).default('normal').describe('the riskiest part of the route'),
      }),
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    (input) => {
      const quote = premium(input);
      return { ...text(quote.table), structuredContent: quote.figures };
    },
  );
  return server;
}

const handle = toNodeHandler(createMcpHandler(marineServer));
const server = createServer((request, response) => {
  if (new URL(request.url ?? '/', 'http://localhost').pathname === '/mcp')
    void handle(request, response);
  else response.writeHead(404).end();
});
server.listen(Number(process.env['PORT'] ?? 0), '127.0.0.1', () => {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  process.stdout.write(`${JSON.stringify({ listening: port })}\n`);
});
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    server.close();
    server.closeAllConnections();
  });
