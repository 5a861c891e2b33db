/** /mcp/{service}: Envoy alone between the agent and the server. */
import { expect } from 'chai';
import { request as httpRequest } from 'node:http';
import { callText, connectAgent, postCall } from './parts/agent.js';
import { eventually, startMcpx, type Mcpx } from './parts/mcpx.js';
import { register } from './parts/registering.js';
import { startServer, stopServers } from './parts/servers.js';

describe('/mcp/{service}', () => {
  let mcpx: Mcpx;

  before(async () => {
    mcpx = await startMcpx();
  });

  after(async () => {
    await mcpx.stop();
    await stopServers();
  });

  const url = (service: string) => `${mcpx.gateway}/mcp/${service}`;

  it('carries a modern agent to a modern server', async () => {
    const server = await startServer({ era: 'modern', name: 'modern' });
    await register(mcpx, { name: 'modern', url: server.url });
    const agent = await connectAgent(url('modern'), 'modern');
    expect(await callText(agent, 'whoami')).to.equal('modern');
    await agent.close();
  });

  it('keeps a legacy session on the instance it began on', async () => {
    const [one, other] = await Promise.all([
      startServer({ era: 'legacy', name: 'one' }),
      startServer({ era: 'legacy', name: 'other' }),
    ]);
    await register(mcpx, { name: 'pinned', url: one.url, era: 'legacy' });
    await register(mcpx, { name: 'pinned', url: other.url, era: 'legacy' });
    const seen = new Set<string>();
    await eventually('sessions begin on both instances', async () => {
      const agent = await connectAgent(url('pinned'), 'legacy');
      const home = await callText(agent, 'whoami');
      for (let call = 1; call <= 5; call++) {
        expect(await callText(agent, 'count')).to.equal(String(call));
        expect(await callText(agent, 'whoami')).to.equal(home);
      }
      await agent.close();
      return seen.add(home).size === 2;
    });
  });

  it('tells a session whose instance has left that it is gone', async () => {
    const server = await startServer({ era: 'legacy', name: 'leaving' });
    const staying = await startServer({ era: 'legacy', name: 'staying' });
    await register(mcpx, { name: 'leaving', url: server.url, era: 'legacy' });
    const opened = await postInitialize(url('leaving'));
    const session = opened.headers.get('mcp-session-id') ?? '';
    await register(mcpx, { name: 'leaving', url: staying.url, era: 'legacy' });
    const path = `${mcpx.admin}/v1/services/leaving/instances/127.0.0.1:${server.port}`;
    expect((await fetch(path, { method: 'DELETE' })).ok).to.equal(true);
    await eventually('the session is gone', async () => {
      const answer = await postPing(url('leaving'), session);
      return answer.status === 404 && (await errorCode(answer)) === -32001;
    });
  });

  it('passes a stream on as it comes, and does not end it at the timeout', async () => {
    const server = await startServer({ era: 'legacy', name: 'streams' });
    const traffic = { timeout: '300ms' };
    await register(mcpx, { name: 'streams', url: server.url, era: 'legacy', traffic });
    const agent = await connectAgent(url('streams'), 'legacy');
    expect(await callText(agent, 'wait', { ms: 1_500 })).to.equal('waited');
    await agent.close();
  });

  it('answers 504 when a server does not begin its answer within the timeout', async () => {
    const server = await startServer({ era: 'modern', name: 'slow' });
    await register(mcpx, { name: 'slow', url: server.url, traffic: { timeout: '300ms' } });
    server.pause();
    const answer = await postCall(url('slow'), 'whoami');
    server.resume();
    expect(answer.status).to.equal(504);
    expect(await errorCode(answer)).to.equal(504);
  });

  it('serves a path of its own', async () => {
    const server = await startServer({ name: 'elsewhere', path: '/servers/elsewhere' });
    await register(mcpx, { name: 'elsewhere', url: server.url });
    expect((await postCall(url('elsewhere'), 'whoami')).status).to.equal(200);
  });

  it('says in JSON-RPC that there is no such service', async () => {
    const answer = await postCall(url('nobody'), 'whoami');
    expect(answer.status).to.equal(404);
    expect(await errorCode(answer)).to.equal(404);
  });

  it('takes no routing header from an agent', async () => {
    const server = await startServer({ name: 'target' });
    await register(mcpx, { name: 'target', url: server.url });
    const answer = await postCall(url('nobody'), 'whoami', { 'x-mcpx-cluster': 'target' });
    expect(answer.status).to.equal(404);
  });

  it('refuses a Host and an Origin it does not know', async () => {
    expect(await statusWith(mcpx.gateway, { host: 'evil.example.com' })).to.equal(403);
    expect(await statusWith(mcpx.gateway, { origin: 'https://evil.example.com' })).to.equal(403);
    expect(await statusWith(mcpx.gateway, { origin: mcpx.gateway })).to.equal(200);
  });

  it('tries another instance when one cannot be connected to', async () => {
    const server = await startServer({ name: 'retried' });
    const dead = await startServer({ name: 'dead' });
    const health = { interval: '1m' };
    await register(mcpx, { name: 'retried', url: server.url, health });
    await register(mcpx, { name: 'retried', url: dead.url, health });
    await dead.stop();
    for (let call = 0; call < 10; call++)
      expect((await postCall(url('retried'), 'whoami')).status).to.equal(200);
  });

  it('takes an instance that keeps failing out of the balance', async () => {
    const good = await startServer({ name: 'good' });
    const bad = await startServer({ name: 'bad', status: 500 });
    // The check accepts no failing server, so it is a TCP one here: ejection is what is tested.
    const policy = { health: { kind: 'tcp' }, traffic: { outlier: { consecutiveErrors: 3 } } };
    await register(mcpx, { name: 'ejected', url: good.url, ...policy });
    await register(mcpx, { name: 'ejected', url: bad.url, ...policy });
    let wellInARow = 0;
    await eventually('only the good one is asked', async () => {
      const { status } = await postCall(url('ejected'), 'whoami');
      wellInARow = status === 200 ? wellInARow + 1 : 0;
      return wellInARow >= 30;
    });
  });
});

async function postInitialize(url: string): Promise<Response> {
  const params = {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'test', version: '1' },
  };
  return postLegacy(url, { jsonrpc: '2.0', id: 1, method: 'initialize', params });
}

async function postPing(url: string, session: string): Promise<Response> {
  return postLegacy(url, { jsonrpc: '2.0', id: 2, method: 'ping' }, { 'mcp-session-id': session });
}

async function postLegacy(
  url: string,
  message: object,
  headers: Record<string, string> = {},
): Promise<Response> {
  const accept = 'application/json, text/event-stream';
  const all = { 'content-type': 'application/json', accept, ...headers };
  return fetch(url, { method: 'POST', headers: all, body: JSON.stringify(message) });
}

async function errorCode(answer: Response): Promise<unknown> {
  return ((await answer.json()) as { error?: { code?: unknown } }).error?.code;
}

/** `fetch` does not let a caller set Host. */
async function statusWith(gateway: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    httpRequest(`${gateway}/healthz`, { headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .once('error', reject)
      .end();
  });
}
