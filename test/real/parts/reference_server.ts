/**
 * A real MCP server on the official SDK, as a process of its own. By variables:
 * PORT; ERA (`modern`, `legacy`: with sessions, `dual`: both, legacy stateless,
 * `both`: both, legacy with sessions);
 * NAME; ANSWER, given by `whoami`; MCP_PATH; TOOLS: how many numbered tools more;
 * STATUS: answer every POST with this HTTP status instead; FAULTY: `whoami`
 * answers with `isError`; HANGS: it never answers; TTL_MS: how long its lists may be believed.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { NodeStreamableHTTPServerTransport, toNodeHandler } from '@modelcontextprotocol/node';
import { McpServer, createMcpHandler, isInitializeRequest } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { registerMarch } from './reference_march.js';
import { cacheHints, registerGrowth } from './reference_growth.js';
import { offered, registerOffer } from './reference_offer.js';

const { PORT = '0', ERA = 'dual', NAME = 'reference', MCP_PATH = '/mcp' } = process.env;
const answer = process.env['ANSWER'] ?? NAME;
const numbered = Number(process.env['TOOLS'] ?? 0);
const failing = Number(process.env['STATUS'] ?? 0);
const faulty = Boolean(process.env['FAULTY']);
const hanging = Boolean(process.env['HANGS']);
const hints = cacheHints(Number(process.env['TTL_MS'] ?? 0));

function makeServer(): McpServer {
  const options = { capabilities: offered, cacheHints: hints };
  const server = new McpServer({ name: NAME, version: '1.0.0' }, options);
  const text = (content: string) => ({ content: [{ type: 'text' as const, text: content }] });
  let calls = 0;
  server.registerTool(
    'whoami',
    { description: 'The name of this server.', inputSchema: z.object({}) },
    async () => {
      if (hanging) await new Promise(() => undefined);
      return { ...text(answer), ...(faulty && { isError: true }) };
    },
  );
  server.registerTool(
    'count',
    { description: 'How often it was called in this session.', inputSchema: z.object({}) },
    () => text(String(++calls)),
  );
  server.registerTool(
    'echo',
    { description: 'Gives back what it got.', inputSchema: z.object({ value: z.unknown() }) },
    ({ value }) => text(JSON.stringify(value)),
  );
  server.registerTool(
    'wait',
    { description: 'Answers after a while.', inputSchema: z.object({ ms: z.number() }) },
    async ({ ms }) => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      return text('waited');
    },
  );
  for (let index = 0; index < numbered; index++)
    server.registerTool(
      `tool-${String(index).padStart(4, '0')}`,
      { description: 'One of many.', inputSchema: z.object({}) },
      () => text(String(index)),
    );
  registerOffer(server, NAME, () => modernHandler.notify);
  registerMarch(server, answer);
  registerGrowth(server, () => modernHandler.notify);
  return server;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

const modernHandler = createMcpHandler(makeServer, {
  legacy: ERA === 'modern' ? 'reject' : 'stateless',
});
const modern: Handler = toNodeHandler(modernHandler);

const sessions = new Map<string, NodeStreamableHTTPServerTransport>();

/** Legacy as most servers in the field do it: a session of its own for every client. */
const legacy: Handler = async (request, response) => {
  const id = request.headers['mcp-session-id'];
  const known = typeof id === 'string' ? sessions.get(id) : undefined;
  if (known) return known.handleRequest(request, response);
  const body = request.method === 'POST' ? await readJson(request) : undefined;
  if (id !== undefined) {
    refuse(response, 404, -32001, 'Session not found');
    return;
  }
  if (!isInitializeRequest(body)) {
    refuse(response, 400, -32000, 'No session');
    return;
  }
  const transport = new NodeStreamableHTTPServerTransport({
    sessionIdGenerator: () => randomUUID(),
    onsessioninitialized: (session) => void sessions.set(session, transport),
    onsessionclosed: (session) => void sessions.delete(session),
  });
  await makeServer().connect(transport);
  return transport.handleRequest(request, response, body);
};

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString()) as unknown;
}

function refuse(response: ServerResponse, status: number, code: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ jsonrpc: '2.0', id: null, error: { code, message } }));
}

const eitherEra: Handler = (request, response) =>
  request.headers['mcp-protocol-version'] === '2026-07-28'
    ? modern(request, response)
    : legacy(request, response);

const handle = { legacy, both: eitherEra }[ERA] ?? modern;
const server = createServer((request, response) => {
  const path = new URL(request.url ?? '/', 'http://localhost').pathname;
  if (failing > 0) refuse(response, failing, -32603, 'failing on purpose');
  else if (path === MCP_PATH) void handle(request, response);
  else refuse(response, 404, -32601, 'no such path');
});
server.listen(Number(PORT), '127.0.0.1', () => {
  process.stdout.write('ready\n');
});
process.once('SIGTERM', () => process.exit(0));
