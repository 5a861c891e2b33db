/** An agent: the official SDK's client, and the bare HTTP it stands on. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { eventually } from './mcpx.js';

export async function connectAgent(url: string, era: 'modern' | 'legacy'): Promise<Client> {
  const mode = era === 'modern' ? 'auto' : 'legacy';
  const client = new Client(
    { name: 'test-agent', version: '1.0.0' },
    { versionNegotiation: { mode } },
  );
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  return client;
}

/** An agent that saw these tools as soon as it had connected. */
export async function connectSeeing(
  url: string,
  era: 'modern' | 'legacy',
  ...wanted: readonly string[]
): Promise<Client> {
  let agent: Client | undefined;
  await eventually(`it sees ${wanted.join(' and ')}`, async () => {
    await agent?.close();
    agent = await connectAgent(url, era);
    const { tools } = await agent.listTools();
    const names = new Set(tools.map(({ name }) => name));
    return wanted.every((name) => names.has(name));
  });
  if (agent === undefined) throw new Error('never connected');
  return agent;
}

/** The text of a tool's answer. */
export async function callText(
  client: Client,
  name: string,
  args: Record<string, unknown> = {},
): Promise<string> {
  const result = await client.callTool({ name, arguments: args });
  const [first] = result.content as { text?: string }[];
  return first?.text ?? '';
}

/** One modern `tools/call` by bare HTTP. */
export async function postCall(
  url: string,
  tool: string,
  headers: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Response> {
  return fetch(url, {
    ...{ method: 'POST', signal: signal ?? null },
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': tool,
      ...headers,
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: {
        name: tool,
        arguments: {},
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': {},
        },
      },
    }),
  });
}
