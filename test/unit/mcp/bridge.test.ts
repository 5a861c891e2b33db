import { once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import { expect } from 'chai';
import type { Exchange } from '../../../src/mcp_client/streamable.js';
import { sendJson } from './local_server.js';
import { modernMeta, service, stage, until, type Servers, type Stage } from './stage.js';

describe('the bridge', () => {
  let on: Stage;
  let servers: Servers;
  let url: string;
  let sessions: Stage['state']['sessions'];
  const offer: Stage['offer'] = (...services) => on.offer(...services);
  const post: Stage['post'] = async (...said) => on.post(...said);
  const initialize: Stage['initialize'] = async (version) => on.initialize(version);

  beforeEach(async () => {
    on = await stage();
    ({ servers, url } = on);
    ({ sessions } = on.state);
  });

  afterEach(async () => on.close());

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
    await until(() => closed.length === 2);
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
    await until(() => servers.heard.some(({ verb }) => verb === 'DELETE'));
    expect(servers.heard.at(-1)).to.include({ verb: 'DELETE', session: 's1', service: 'a' });
    expect(await call('a__run', session)).to.include({ kind: 'refused', status: 404 });
  });

  it('asks a server that answered 400 whether it forgot the session', async () => {
    offer(service('a'));
    const session = await initialize();
    const error = { code: -32000, message: 'Bad Request' };
    servers.onCall = ({ id, session: upstream }, response) =>
      upstream === 's1'
        ? sendJson(response, { id, error }, { status: 400 })
        : sendJson(response, { id, result: { from: upstream } });
    // The session lives: the request itself was bad.
    expect(await call('a__run', session)).to.include({ kind: 'refused', status: 400 });
    expect(servers.of('ping')).to.have.length(1);
    servers.forgotten.add('s1');
    expect(resultOf(await call('a__run', session))).to.deep.equal({ result: { from: 's2' } });
    expect(servers.of('initialize')).to.have.length(2);
  });

  it('lends no session to lane 2 at a service that says 400 where it forgot one', async () => {
    offer(service('a'));
    const session = sessions.open(await initialize());
    if (session === undefined) throw new Error('not sealed');
    const { upstreams } = on.state;
    expect(upstreams.knownStraight(session, 'a')?.id).to.equal('s1');
    await until(() => upstreams.knownStraight(session, 'a') === undefined);
    expect(servers.of('ping')).to.have.length(1);
    expect(upstreams.known(session, 'a')?.id).to.equal('s1');
  });

  it('shows operators its counters and that it lives, and has no other pages', async () => {
    const own = new URL(url).origin;
    expect((await fetch(`${own}/healthz`)).status).to.equal(200);
    expect(await (await fetch(`${own}/metrics`)).text()).to.include('mcpx_filter_decisions_total');
    expect((await fetch(`${own}/else`)).status).to.equal(404);
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
