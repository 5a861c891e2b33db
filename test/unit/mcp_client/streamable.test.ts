import type { RequestListener } from 'node:http';
import { expect } from 'chai';
import {
  closeSession,
  listAll,
  openLegacy,
  openModern,
  request,
} from '../../../src/mcp_client/conversation.js';
import { exchange, failureText, type Exchange } from '../../../src/mcp_client/streamable.js';
import { decodeHeaderValue, encodeHeaderValue } from '../../../src/mcp_wire.js';
import { localServer, messageOf, sendJson, type LocalServer } from '../mcp/local_server.js';

const client = { name: 'test', version: '1' };
const limits = { deadlineMs: 2_000 };

let server: LocalServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function ask(handle: RequestListener, more: object = {}): Promise<Exchange> {
  server = await localServer(handle);
  return exchange({ url: server.url }, { id: 1, method: 'ping' }, {}, { ...limits, ...more });
}

const answerWith =
  (status: number, type: string, body: string): RequestListener =>
  (_request, response) =>
    void response.writeHead(status, { 'content-type': type }).end(body);

describe('one exchange', () => {
  it('reads an answer that comes as JSON', async () => {
    const outcome = await ask(
      answerWith(200, 'application/json', '{"jsonrpc":"2.0","id":1,"result":{"a":1}}'),
    );
    expect(outcome.kind === 'answered' && outcome.response).to.deep.equal({ result: { a: 1 } });
  });

  it('reads an answer that comes as events, behind notifications and other answers', async () => {
    const events = [
      ': hello',
      'data: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}',
      'data: {"jsonrpc":"2.0","id":2,"result":{"wrong":true}}',
      'data: {"jsonrpc":"2.0","id":1,\ndata: "result":{"a":1}}',
    ];
    const outcome = await ask(answerWith(200, 'text/event-stream', `${events.join('\n\n')}\n\n`));
    expect(outcome.kind === 'answered' && outcome.response).to.deep.equal({ result: { a: 1 } });
  });

  it('takes a JSON-RPC error in a good HTTP answer as the answer', async () => {
    const error = { code: -32601, message: 'no' };
    const outcome = await ask((_request, response) => sendJson(response, { id: 1, error }));
    expect(outcome.kind === 'answered' && outcome.response).to.deep.equal({ error });
  });

  it('is refused by any other status, with the JSON-RPC error if there is one', async () => {
    const error = { code: -32001, message: 'Session not found' };
    const refused = await ask((_request, response) =>
      sendJson(response, { id: null, error }, { status: 404 }),
    );
    expect(refused).to.include({ kind: 'refused', status: 404 });
    expect(refused.kind === 'refused' && refused.error).to.deep.equal(error);
    await server?.close();
    const plain = await ask(answerWith(503, 'text/plain', 'no healthy upstream'));
    expect(plain).to.include({ kind: 'refused', status: 503, snippet: 'no healthy upstream' });
  });

  it('names what is no MCP: a page, other JSON, a stream that ends early', async () => {
    const cases = [
      answerWith(200, 'text/html', '<h1>hello</h1>'),
      answerWith(200, 'application/json', '{"hello":1}'),
      answerWith(200, 'application/json', '{"jsonrpc":"2.0","id":9,"result":{}}'),
      answerWith(200, 'text/event-stream', 'data: {}\n\n'),
    ];
    for (const handle of cases) {
      expect((await ask(handle)).kind).to.equal('not_mcp');
      await server?.close();
    }
  });

  it('ends at its deadline, before or within the answer', async () => {
    const silent = await ask(() => undefined, { deadlineMs: 50 });
    expect(silent).to.deep.equal({ kind: 'too_slow', deadlineMs: 50 });
    await server?.close();
    const stalled = await ask(
      (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: {');
      },
      { deadlineMs: 50 },
    );
    expect(stalled.kind).to.equal('too_slow');
  });

  it('ends when the answer grows beyond its limit', async () => {
    const endless: RequestListener = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const more = () => {
        while (!response.destroyed && response.write('a'.repeat(10_000)));
      };
      response.on('drain', more);
      more();
    };
    expect((await ask(endless, { bytesMax: 100_000 })).kind).to.equal('not_mcp');
  });

  it('ends when it is called off', async () => {
    const signal = AbortSignal.timeout(30);
    expect((await ask(() => undefined, { signal })).kind).to.equal('unreachable');
  });

  it('says what cannot be reached, in words', async () => {
    const outcome = await exchange(
      { url: 'http://127.0.0.1:1/' },
      { id: 1, method: 'x' },
      {},
      limits,
    );
    expect(outcome.kind).to.equal('unreachable');
    if (outcome.kind === 'unreachable') expect(failureText(outcome)).to.match(/ECONNREFUSED/);
  });

  it('takes any success as the answer to a notification', async () => {
    server = await localServer((_request, response) => void response.writeHead(202).end());
    const outcome = await exchange({ url: server.url }, { method: 'notifications/x' }, {}, limits);
    expect(outcome.kind).to.equal('accepted');
  });
});

describe('a legacy conversation', () => {
  it('shakes hands, carries session and version, and ends the session', async () => {
    const seen: string[] = [];
    server = await localServer((incoming, response) => {
      void messageOf(incoming).then(({ id, method }) => {
        const { 'mcp-session-id': session, 'mcp-protocol-version': version } = incoming.headers;
        seen.push([incoming.method === 'DELETE' ? 'DELETE' : method, session, version].join(' '));
        const result = {
          protocolVersion: '2025-06-18',
          capabilities: { tools: {} },
          serverInfo: {},
        };
        if (id === undefined) response.writeHead(202).end();
        else sendJson(response, { id, result }, { headers: { 'mcp-session-id': 's1' } });
      });
    });
    const opened = await openLegacy({ url: server.url }, client, limits);
    if (!opened.ok) throw new Error(opened.failure.kind);
    await request(opened.session, 'ping', {}, limits);
    await closeSession(opened.session, limits);
    expect(seen).to.deep.equal([
      'initialize  ',
      'notifications/initialized s1 2025-06-18',
      'ping s1 2025-06-18',
      'DELETE s1 2025-06-18',
    ]);
  });
});

describe('a modern conversation', () => {
  it('carries its headers and its _meta with every request', async () => {
    const seen: object[] = [];
    server = await localServer((incoming, response) => {
      void messageOf(incoming).then(({ id, method, params }) => {
        const { 'mcp-method': named, 'mcp-name': name } = incoming.headers;
        const version = incoming.headers['mcp-protocol-version'];
        seen.push({ method, named, name, version, meta: params?.['_meta'] });
        sendJson(response, { id, result: { supportedVersions: ['2026-07-28'], capabilities: {} } });
      });
    });
    const opened = await openModern({ url: server.url }, client, limits);
    if (!opened.ok) throw new Error(opened.failure.kind);
    await request(opened.session, 'tools/call', { name: 'rün' }, limits);
    const meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
      'io.modelcontextprotocol/clientInfo': client,
    };
    const version = '2026-07-28';
    expect(seen).to.deep.equal([
      { method: 'server/discover', named: 'server/discover', name: undefined, version, meta },
      { method: 'tools/call', named: 'tools/call', name: '=?base64?csO8bg==?=', version, meta },
    ]);
  });

  it('is not opened with a server that does not speak the revision', async () => {
    server = await localServer((_request, response) =>
      sendJson(response, { id: null, result: {} }),
    );
    const opened = await openModern({ url: server.url }, client, limits);
    expect(!opened.ok && opened.failure.kind).to.equal('not_mcp');
  });
});

describe('listing all pages', () => {
  async function listed(pages: readonly (string | undefined)[]) {
    let page = 0;
    server = await localServer((incoming, response) => {
      void messageOf(incoming).then(({ id, method, params }) => {
        if (method !== 'tools/list') {
          const supportedVersions = ['2026-07-28'];
          sendJson(response, { id, result: { supportedVersions } });
          return;
        }
        const nextCursor = pages[page++];
        const tools = [{ name: `${page}`, cursor: params?.['cursor'] }];
        sendJson(response, {
          id,
          result: { tools, ...(nextCursor !== undefined && { nextCursor }) },
        });
      });
    });
    const opened = await openModern({ url: server.url }, client, limits);
    if (!opened.ok) throw new Error(opened.failure.kind);
    return listAll(opened.session, 'tools/list', 'tools', limits);
  }

  it('follows every cursor, also an empty one', async () => {
    const all = await listed(['', 'b', undefined]);
    expect(all.ok && all.items).to.deep.equal([
      { name: '1' },
      { name: '2', cursor: '' },
      { name: '3', cursor: 'b' },
    ]);
  });

  it('stops at a cursor that comes again', async () => {
    const all = await listed(['a', 'b', 'a', undefined]);
    expect(!all.ok && failureText(all.failure)).to.match(/same cursor twice/);
  });
});

describe('a value in a header', () => {
  it('comes back as it was, wrapped only where it must be', () => {
    const wrapped = ['', ' a', 'a ', 'é', 'a\nb', '=?base64?YQ==?=', '=?base64?=', '\u0000'];
    const plain = ['a', 'a b', 'a__b', '=?base64?', '?='];
    for (const value of [...wrapped, ...plain]) {
      expect(decodeHeaderValue(encodeHeaderValue(value))).to.equal(value);
      expect(encodeHeaderValue(value) === value).to.equal(plain.includes(value));
    }
  });

  it('is nothing when it is wrapped badly', () => {
    for (const value of ['=?base64?!?=', '=?base64?YQ?=', '=?base64?/w==?='])
      expect(decodeHeaderValue(value), value).to.equal(undefined);
  });
});
