/**
 * The server behind the lanes: answers in MCP's shape by node:http alone, so
 * that what is measured is the way to it. Both eras on one path; a legacy
 * client gets a session that is never looked at again.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** As long as a short answer of a real tool. */
const content = [{ type: 'text', text: 'A moderate breeze from the west. '.repeat(8) }];
const tool = { name: 'forecast', inputSchema: { type: 'object' } };
const serverInfo = { name: 'bench-answerer', version: '1.0.0' };
const cached = { resultType: 'complete', ttlMs: 600_000, cacheScope: 'private' };

const results: Readonly<Record<string, string>> = {
  'tools/call': JSON.stringify({ resultType: 'complete', content }),
  'tools/list': JSON.stringify({ ...cached, tools: [tool] }),
  'server/discover': JSON.stringify({
    ...{ ...cached, supportedVersions: ['2026-07-28'], capabilities: { tools: {} } },
  }),
  initialize: JSON.stringify({
    ...{ protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo },
  }),
};

let sessions = 0;

const server = createServer((request, response) => {
  let body = '';
  request.setEncoding('utf8').on('data', (text: string) => (body += text));
  request.once('end', () => {
    const method = /"method":\s*"([^"]+)"/.exec(body)?.[1] ?? '';
    const id = /"id":\s*("[^"]*"|\d+)/.exec(body)?.[1];
    if (request.method !== 'POST' || id === undefined) {
      response.writeHead(request.method === 'POST' ? 202 : 405).end();
      return;
    }
    const result = results[method];
    const outcome =
      result === undefined
        ? '"error":{"code":-32601,"message":"Method not found"}'
        : `"result":${result}`;
    if (method === 'initialize') response.setHeader('mcp-session-id', `session-${++sessions}`);
    response.setHeader('content-type', 'application/json');
    response.end(`{"jsonrpc":"2.0","id":${id},${outcome}}`);
  });
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`ready ${(server.address() as AddressInfo).port}\n`);
});
process.stdin.on('end', () => process.exit(0)).resume();
