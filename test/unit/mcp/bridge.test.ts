import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { expect } from 'chai';
import type { ExposedService } from '../../../src/fleet/exposed.js';
import { Latest } from '../../../src/latest.js';
import { silentLog } from '../../../src/log.js';
import { createBridge } from '../../../src/mcp/bridge.js';
import { emptyCatalogue, type CatalogueState } from '../../../src/mcp/catalogue_fold.js';
import type { Sessions } from '../../../src/mcp/session.js';
import { createState } from '../../../src/mcp/state.js';
import { createMetrics } from '../../../src/metrics.js';
import { exchange, type Exchange } from '../../../src/streamable.js';
import {
  localServer,
  messageOf,
  sendJson,
  type LocalServer,
  type Received,
} from './local_server.js';

const limits = { deadlineMs: 3_000 };

const service = (name: string, eras: ExposedService['eras'] = ['legacy']): ExposedService => ({
  name,
  eras,
  capabilities: {},
  instructions: undefined,
  tools: [{ name: `${name}__run`, tool: 'run', definition: { name: 'run' } }],
  prompts: [],
  resources: [],
  resourceTemplates: [],
  available: true,
  missing: undefined,
});

interface Heard extends Received {
  readonly service: string;
  readonly verb: string;
  readonly session: string | undefined;
}

type Answering = (heard: Heard, response: ServerResponse, request: IncomingMessage) => void;

/** Answers as a legacy server with sessions `s1`, `s2`, …; calls are left to the test. */
class Servers {
  readonly heard: Heard[] = [];
  onCall: Answering = ({ id }, response) => sendJson(response, { id, result: { content: [] } });
  readonly hanging = new Set<string>();
  #sessions = 0;

  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    void messageOf(request).then((message) => {
      const header = (name: string) => request.headers[name] as string | undefined;
      const heard = {
        ...message,
        service: header('x-mcpx-cluster') ?? '',
        verb: request.method ?? '',
        session: header('mcp-session-id'),
      };
      this.heard.push(heard);
      if (this.hanging.has(heard.service)) return;
      if (heard.method === 'tools/call') this.onCall(heard, response, request);
      else if (heard.method === 'initialize') this.#initialize(heard, response);
      else response.writeHead(202).end();
    });
  };

  #initialize({ id, params }: Heard, response: ServerResponse): void {
    const result = {
      protocolVersion: params?.['protocolVersion'],
      capabilities: {},
      serverInfo: {},
    };
    sendJson(response, { id, result }, { headers: { 'mcp-session-id': `s${++this.#sessions}` } });
  }

  of(method: string): Heard[] {
    return this.heard.filter((heard) => heard.method === method);
  }
}

describe('the bridge', () => {
  let folder: string;
  let servers: Servers;
  let listener: LocalServer;
  let bridge: http.Server;
  let url: string;
  let catalogue: Latest<CatalogueState>;
  let sessions: Sessions;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mcpx-bridge-'));
    const socketPath = join(folder, 'bridge.sock');
    servers = new Servers();
    listener = await localServer(servers.handle, socketPath);
    const targetOf = (name: string) => ({
      url: 'http://localhost/mcp',
      socketPath,
      headers: { 'x-mcpx-cluster': name },
    });
    catalogue = new Latest(emptyCatalogue);
    const state = createState(catalogue, randomBytes(32), targetOf);
    sessions = state.sessions;
    bridge = createBridge(state, createMetrics(), silentLog);
    bridge.listen(0, '127.0.0.1');
    await once(bridge, 'listening');
    const address = bridge.address();
    if (typeof address !== 'object' || address === null) throw new Error('no address');
    url = `http://127.0.0.1:${address.port}/mcp`;
  });

  afterEach(async () => {
    bridge.close();
    bridge.closeAllConnections();
    await listener.close();
    rmSync(folder, { recursive: true });
  });

  const offer = (...services: readonly ExposedService[]) =>
    catalogue.set({ heard: true, services: new Map(services.map((each) => [each.name, each])) });

  const post = async (method: string, params: object, headers: Record<string, string> = {}) =>
    exchange(
      { url },
      { id: 7, method, params: params as Record<string, unknown> },
      headers,
      limits,
    );

  async function initialize(version = '2025-06-18'): Promise<string> {
    const params = {
      protocolVersion: version,
      capabilities: { sampling: {}, roots: {} },
      clientInfo: { name: 'agent', version: '3' },
    };
    const outcome = await post('initialize', params);
    const id = outcome.kind === 'answered' ? outcome.headers['mcp-session-id'] : undefined;
    if (typeof id !== 'string') throw new Error(JSON.stringify(outcome));
    return id;
  }

  const call = async (name: string, session: string): Promise<Exchange> =>
    post('tools/call', { name, arguments: {} }, { 'mcp-session-id': session });

  const resultOf = (outcome: Exchange) =>
    outcome.kind === 'answered' ? outcome.response : outcome;

  it('introduces the client to legacy services, without what cannot be routed back', async () => {
    offer(service('a'), service('b'), service('m', ['modern']));
    await initialize();
    expect(
      servers
        .of('initialize')
        .map((heard) => heard.service)
        .sort(),
    ).to.deep.equal(['a', 'b']);
    expect(servers.of('initialize')[0]?.params).to.deep.equal({
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 'agent', version: '3' },
    });
    expect(servers.of('notifications/initialized')).to.have.length(2);
  });

  it('seals what was opened into the id, and is not held up by a server that hangs', async () => {
    offer(service('a'), service('hangs'));
    servers.hanging.add('hangs');
    const began = Date.now();
    const state = sessions.open(await initialize())?.state;
    expect(Date.now() - began).to.be.below(2_000);
    const upstreams = { a: { id: 's1', protocolVersion: '2025-06-18' } };
    expect(state?.upstreams).to.deep.equal(upstreams);
  });

  it('opens a late session at its first call, once for calls at the same time', async () => {
    offer();
    const session = await initialize();
    offer(service('late'));
    const outcomes = await Promise.all([1, 2, 3].map(async () => call('late__run', session)));
    for (const outcome of outcomes)
      expect(resultOf(outcome)).to.deep.equal({ result: { content: [] } });
    expect(servers.of('initialize')).to.have.length(1);
    const [first] = servers.of('tools/call');
    expect(first).to.include({ session: 's1', service: 'late' });
    expect(first?.params?.['name']).to.equal('run');
  });

  it('opens a session anew and repeats the call once when the server forgot it', async () => {
    offer(service('a'));
    const session = await initialize();
    servers.onCall = ({ id, session: upstream }, response) =>
      upstream === 's1'
        ? sendJson(response, { id: null, error: { code: -32001, message: '?' } }, { status: 404 })
        : sendJson(response, { id, result: { from: upstream } });
    expect(resultOf(await call('a__run', session))).to.deep.equal({ result: { from: 's2' } });
    expect(resultOf(await call('a__run', session))).to.deep.equal({ result: { from: 's2' } });
    expect(servers.of('initialize')).to.have.length(2);
  });

  it('passes events of an answer on as they come, without the server’s session id', async () => {
    offer(service('a'));
    const session = await initialize();
    let finish: () => void = () => undefined;
    servers.onCall = ({ id }, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'mcp-session-id': 's1' });
      response.write('data: {"first":1}\n\n');
      finish = () => response.end(`data: {"jsonrpc":"2.0","id":${id ?? ''},"result":{}}\n\n`);
    };
    const response = await openCall(url, { 'mcp-session-id': session }, 'a__run');
    expect(response.headers).not.to.have.property('mcp-session-id');
    const [first] = (await once(response, 'data')) as [Buffer];
    expect(first.toString()).to.equal('data: {"first":1}\n\n');
    finish();
    const [second] = (await once(response, 'data')) as [Buffer];
    expect(second.toString()).to.match(/"result":{}/);
  });

  it('passes a modern client’s leaving on to the server, and a legacy one’s not', async () => {
    offer(service('old'), service('new', ['modern']));
    const session = await initialize();
    const closed: string[] = [];
    servers.onCall = ({ service: name }, response) => {
      response.on('close', () => closed.push(`${name} ${String(response.writableFinished)}`));
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': hello\n\n');
      if (name === 'old') setTimeout(() => response.end('data: {}\n\n'), 60);
    };
    const legacy = await openCall(url, { 'mcp-session-id': session }, 'old__run');
    const modern = await openCall(url, modernHeaders('new__run'), 'new__run', modernMeta);
    legacy.destroy();
    modern.destroy();
    while (closed.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(closed.sort()).to.deep.equal(['new false', 'old true']);
  });

  it('turns what Envoy says of a missing host into an error of that very call', async () => {
    offer(service('a'));
    const session = await initialize();
    servers.onCall = (_heard, response) =>
      void response.writeHead(503, { 'content-type': 'text/plain' }).end('no healthy upstream');
    expect(resultOf(await call('a__run', session))).to.deep.equal({
      error: { code: -31000, message: 'a is not available: no healthy upstream' },
    });
  });

  it('ends the upstream sessions with the client’s', async () => {
    offer(service('a'));
    const session = await initialize();
    const { status } = await fetch(url, {
      method: 'DELETE',
      headers: { 'mcp-session-id': session },
    });
    expect(status).to.equal(204);
    while (!servers.heard.some(({ verb }) => verb === 'DELETE'))
      await new Promise((resolve) => setTimeout(resolve, 5));
    expect(servers.heard.at(-1)).to.include({ verb: 'DELETE', session: 's1', service: 'a' });
    expect(await call('a__run', session)).to.include({ kind: 'refused', status: 404 });
  });

  it('says so while it has not heard the control plane', async () => {
    const outcome = await post('initialize', {});
    expect(outcome).to.include({ kind: 'refused', status: 503 });
  });

  it('answers legacy requests that need no server, and 400 without a session', async () => {
    offer();
    const session = await initialize('1999-01-01');
    expect(sessions.open(session)?.state.protocolVersion).to.equal('2025-11-25');
    const headers = { 'mcp-session-id': session };
    expect(resultOf(await post('ping', {}, headers))).to.deep.equal({ result: {} });
    const unknown = resultOf(await post('tasks/list', {}, headers));
    expect(unknown).to.have.nested.property('error.code', -32601);
    expect(await post('ping', {})).to.include({ kind: 'refused', status: 400 });
  });

  it('answers an unknown modern method with 404 and -32601, and discovers itself', async () => {
    offer();
    const headers = { ...modernHeaders(''), 'mcp-method': 'ping' };
    const unknown = await post('ping', { _meta: modernMeta }, headers);
    expect(unknown).to.include({ kind: 'refused', status: 404 });
    expect(unknown).to.have.nested.property('error.code', -32601);
    const named = { ...headers, 'mcp-method': 'server/discover' };
    const found = resultOf(await post('server/discover', { _meta: modernMeta }, named));
    expect(found).to.have.nested.property('result.resultType', 'complete');
    expect(found).to.have.deep.nested.property('result.supportedVersions', ['2026-07-28']);
  });
});

const modernMeta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};

const modernHeaders = (name: string) => ({
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': 'tools/call',
  'mcp-name': name,
});

/** The response as soon as its head is there. */
async function openCall(
  url: string,
  headers: Record<string, string>,
  name: string,
  meta?: object,
): Promise<IncomingMessage> {
  const params = { name, arguments: {}, ...(meta && { _meta: meta }) };
  const options = { method: 'POST', headers: { ...headers, 'content-type': 'application/json' } };
  return new Promise((resolve, reject) => {
    const request = http.request(url, options, resolve).on('error', reject);
    request.end(JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/call', params }));
  });
}
