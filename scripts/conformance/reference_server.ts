/**
 * The server that `npm run conformance` holds the official suite against: all
 * that the suite's scenarios ask for, on the official SDK, in both eras on one
 * path. Says "ready PORT" when it listens; ends when its stdin does. With the
 * argument `unguarded` it takes any Host and Origin.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  NodeStreamableHTTPServerTransport,
  localhostHostValidation,
  localhostOriginValidation,
  toNodeHandler,
  toWebRequest,
} from '@modelcontextprotocol/node';
import {
  McpServer,
  createMcpHandler,
  createRequestStateCodec,
  isInitializeRequest,
  isLegacyRequest,
} from '@modelcontextprotocol/server';
import { registerDocuments, registerSubscriptions } from './reference_documents.js';
import { RememberedEvents } from './reference_events.js';
import { registerQuestions } from './reference_questions.js';
import { registerTools } from './reference_tools.js';

/** What a client brings back must have come from one of these servers: all share the key. */
const state = createRequestStateCodec({ key: 'the conformance runs are no secret' });

const modern = createMcpHandler(({ era }) => makeServer(era), { legacy: 'reject' });
const answerModern = toNodeHandler(modern);

function makeServer(era: 'legacy' | 'modern'): McpServer {
  const server = new McpServer(
    { name: 'mcpx-conformance-reference', version: '1.0.0' },
    {
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { listChanged: true, subscribe: true },
        completions: {},
        logging: {},
      },
      requestState: { verify: (sent, context) => state.verify(sent, context) },
    },
  );
  registerTools(server, modern.notify);
  registerQuestions(server, state);
  registerDocuments(server);
  if (era === 'legacy') registerSubscriptions(server);
  return server;
}

const sessions = new Map<string, NodeStreamableHTTPServerTransport>();

async function answerLegacy(
  request: IncomingMessage,
  response: ServerResponse,
  body: unknown,
): Promise<void> {
  const id = request.headers['mcp-session-id'];
  const known = typeof id === 'string' ? sessions.get(id) : undefined;
  if (known !== undefined) return known.handleRequest(request, response, body);
  if (id !== undefined) {
    refuse(response, 404, 'Session not found');
    return;
  }
  if (!isInitializeRequest(body)) {
    refuse(response, 400, 'No session: initialize first.');
    return;
  }
  const transport = new NodeStreamableHTTPServerTransport({
    sessionIdGenerator: () => randomUUID(),
    eventStore: new RememberedEvents(),
    retryInterval: 500,
    onsessioninitialized: (session) => void sessions.set(session, transport),
    onsessionclosed: (session) => void sessions.delete(session),
  });
  await makeServer('legacy').connect(transport);
  return transport.handleRequest(request, response, body);
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32000, message } }));
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (new URL(request.url ?? '/', 'http://localhost').pathname !== '/mcp') {
    refuse(response, 404, 'MCP is at /mcp.');
    return;
  }
  const body = await readBody(request);
  if (await isLegacyRequest(await toWebRequest(request, body), body))
    return answerLegacy(request, response, body);
  return answerModern(request, response, body);
}

/** Undefined where there is none; what is no JSON stays text, for the SDK to refuse. */
async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  if (text === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

const guards = process.argv.includes('unguarded')
  ? []
  : [localhostHostValidation(), localhostOriginValidation()];

const server = createServer((request, response) => {
  if (!guards.every((allows) => allows(request, response))) return;
  answer(request, response).catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    if (!response.headersSent) refuse(response, 500, 'The reference server failed.');
  });
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`ready ${(server.address() as AddressInfo).port}\n`);
});
process.stdin.on('end', () => process.exit(0)).resume();
