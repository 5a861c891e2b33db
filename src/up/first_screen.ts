/** The first screen: the catalogue, a real tool call to each server, how to connect an agent. */
import { terminalColours } from '../colours.js';
import {
  closeSession,
  openLegacy,
  openModern,
  request,
  type Session,
} from '../mcp_client/conversation.js';
import { failureText } from '../mcp_client/streamable.js';
import { isObject, metaKeys, modernRevision } from '../mcp_wire.js';
import type { DemoServer } from './demo.js';
import { offeredTools, type AdminApi } from './registration.js';
import { screen } from './screen.js';

const colours = terminalColours();
const limits = { deadlineMs: 10_000 };
const client = { name: 'mcpx-up', version: '1' };
const descriptionMax = 62;

export async function showCatalogue(admin: AdminApi): Promise<void> {
  const tools = await offeredTools(admin);
  screen.heading('What agents find');
  screen.table(
    tools.map(({ name, description = '' }) => {
      const [sentence = ''] = description.split(/(?<=\.)\s|\n/);
      const short =
        sentence.length > descriptionMax ? `${sentence.slice(0, descriptionMax - 1)}…` : sentence;
      return [colours.cyan(name), short];
    }),
  );
}

/** Throws when a call fails: the main job is not done then. */
export async function showCalls(gateway: string, servers: readonly DemoServer[]): Promise<void> {
  screen.heading('A real call to each server: agent → Envoy → server');
  for (const { call, port } of servers) {
    const session = await open(gateway, call.era);
    const params = { name: call.tool, arguments: call.arguments };
    screen.line(`  ${colours.cyan(call.tool)} ${JSON.stringify(call.arguments)}`);
    const startedAt = performance.now();
    const answer = await request(session, 'tools/call', params, limits);
    const tookMs = (performance.now() - startedAt).toFixed(1);
    void closeSession(session, limits);
    if (answer.kind === 'accepted') throw new Error(`${call.tool} was answered with nothing.`);
    if (answer.kind !== 'answered') throw new Error(`${call.tool}: it ${failureText(answer)}.`);
    if ('error' in answer.response)
      throw new Error(`${call.tool}: ${answer.response.error.message}`);
    screen.indented(contentText(answer.response.result['content']));
    screen.line(
      `    ${colours.dim(`${tookMs} ms · ${call.era} era · served by 127.0.0.1:${port}`)}`,
    );
  }
}

async function open(gateway: string, era: 'modern' | 'legacy'): Promise<Session> {
  const opener = era === 'modern' ? openModern : openLegacy;
  const opened = await opener({ url: `${gateway}/mcp` }, client, limits);
  if (!opened.ok) throw new Error(`The gateway ${failureText(opened.failure)}.`);
  return opened.session;
}

function contentText(content: unknown): string {
  if (!Array.isArray(content)) return JSON.stringify(content);
  return (content as unknown[])
    .map((part) =>
      isObject(part) && typeof part['text'] === 'string' ? part['text'] : JSON.stringify(part),
    )
    .join('\n');
}

export function showConnection(
  gateway: string,
  admin: string,
  data: string,
  demo: readonly DemoServer[],
): void {
  const url = `${gateway}/mcp`;
  screen.heading('Connect an agent');
  screen.table([
    ['URL', url],
    ['Configuration', JSON.stringify({ mcpServers: { mcpx: { type: 'http', url } } })],
  ]);
  const modern = demo.find(({ call }) => call.era === 'modern');
  if (modern) {
    screen.line('  curl (paste it as it is)');
    screen.indented(curl(url, modern));
  }
  screen.heading('Look around');
  screen.table([
    ['Admin', admin],
    ['Commands', 'node scripts/mcpx.mjs service list · tools · fleet · doctor · --help'],
    ['Data', `${data} (services.yaml, keys, logs)`],
  ]);
  screen.line(`\n${colours.dim('Ctrl-C ends everything.')}`);
}

function curl(url: string, { call }: DemoServer): string {
  const message = {
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: {
      name: call.tool,
      arguments: call.arguments,
      _meta: { [metaKeys.protocolVersion]: modernRevision, [metaKeys.clientCapabilities]: {} },
    },
  };
  return [
    `curl -s ${url}`,
    `-H 'content-type: application/json' -H 'accept: application/json, text/event-stream'`,
    `-H 'mcp-protocol-version: ${modernRevision}'`,
    `-H 'mcp-method: tools/call' -H 'mcp-name: ${call.tool}'`,
    `-d '${JSON.stringify(message)}'`,
  ].join(' \\\n  ');
}
