/** One `tools/call` of each era, as an agent sends it. */
import { send, type Call } from './load.js';

const plain = {
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
};

/** Stateless: whatever the server must know is in the request. */
export function modernCall(url: string, tool: string): Call {
  const params = {
    name: tool,
    arguments: { area: 'German Bight', hours: 24 },
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1.0.0' },
      'io.modelcontextprotocol/clientCapabilities': {},
    },
  };
  return {
    url,
    headers: {
      ...plain,
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': tool,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
  };
}

/** Opens a session, and calls in it. */
export async function legacyCall(url: string, tool: string): Promise<Call> {
  const clientInfo = { name: 'bench', version: '1.0.0' };
  const opening = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
  const opened = await send({ url, headers: plain, body: message('initialize', opening, 0) });
  const session = opened.headers['mcp-session-id'];
  if (opened.status !== 200 || typeof session !== 'string')
    throw new Error(`${url} opened no session: ${opened.status} ${opened.body}`);
  const headers = {
    ...plain,
    'mcp-protocol-version': '2025-11-25',
    'mcp-session-id': session,
  };
  await send({ url, headers, body: message('notifications/initialized', {}) });
  const params = { name: tool, arguments: { area: 'German Bight', hours: 24 } };
  return { url, headers, body: message('tools/call', params, 1) };
}

const message = (method: string, params: object, id?: number): string =>
  JSON.stringify({ jsonrpc: '2.0', ...(id === undefined ? {} : { id }), method, params });
