/** /mcp: every service at one address. */
import { expect } from 'chai';
import type { Client } from '@modelcontextprotocol/client';
import { callText, connectSeeing } from './parts/agent.js';
import { eventually, startMcpx, type Mcpx } from './parts/mcpx.js';
import { register } from './parts/registering.js';
import { startServer, stopServers, type ReferenceServer } from './parts/servers.js';

describe('/mcp, the aggregate', () => {
  let mcpx: Mcpx;
  let legacyServers: readonly ReferenceServer[];

  before(async () => {
    mcpx = await startMcpx();
    const many = await startServer({ era: 'dual', name: 'many', tools: 250 });
    const modern = await startServer({ era: 'modern', name: 'modern' });
    legacyServers = await Promise.all([
      startServer({ era: 'legacy', name: 'legacy-one' }),
      startServer({ era: 'legacy', name: 'legacy-two' }),
    ]);
    await register(mcpx, { name: 'many', url: many.url });
    await register(mcpx, { name: 'modern', url: modern.url });
    for (const { url } of legacyServers) await register(mcpx, { name: 'legacy', url });
    await eventually('all are in the catalogue', async () => {
      const { tools } = (await (await fetch(`${mcpx.admin}/v1/tools`)).json()) as {
        tools: { service: string }[];
      };
      return new Set(tools.map(({ service }) => service)).size === 3;
    });
  });

  after(async () => {
    await mcpx.stop();
    await stopServers();
  });

  async function allTools(agent: Client): Promise<string[]> {
    const { tools } = await agent.listTools();
    return tools.map(({ name }) => name);
  }

  /** The catalogue reaches the filter service a moment after the admin API. */
  async function connected(era: 'modern' | 'legacy', sees: string): Promise<Client> {
    return connectSeeing(`${mcpx.gateway}/mcp`, era, sees);
  }

  it('lists to a modern agent all tools of all modern services', async () => {
    const agent = await connected('modern', 'modern__whoami');
    const tools = await allTools(agent);
    expect(tools.filter((name) => name.startsWith('many__tool-'))).to.have.lengthOf(250);
    expect(tools.some((name) => name.startsWith('legacy__'))).to.equal(false);
    await agent.close();
  });

  it('lists to a legacy agent all tools of all legacy services', async () => {
    const agent = await connected('legacy', 'legacy__whoami');
    const tools = await allTools(agent);
    expect(tools.filter((name) => name.startsWith('many__tool-'))).to.have.lengthOf(250);
    expect(tools.some((name) => name.startsWith('modern__'))).to.equal(false);
    await agent.close();
  });

  for (const era of ['modern', 'legacy'] as const)
    it(`calls a tool by its exposed name for a ${era} agent`, async () => {
      const agent = await connected(era, 'many__whoami');
      expect(await callText(agent, 'many__whoami')).to.equal('many');
      const value = { name: 'many__whoami', ünï: [1.5, null, 'x'] };
      expect(JSON.parse(await callText(agent, 'many__echo', { value }))).to.deep.equal(value);
      await agent.close();
    });

  it('keeps one session per legacy server behind an agent’s one session', async () => {
    const agent = await connected('legacy', 'legacy__count');
    const home = await callText(agent, 'legacy__whoami');
    for (let call = 1; call <= 5; call++) {
      expect(await callText(agent, 'legacy__count')).to.equal(String(call));
      expect(await callText(agent, 'legacy__whoami')).to.equal(home);
    }
    await agent.close();
  });

  it('refuses a session id it did not seal', async () => {
    const answer = await fetch(`${mcpx.gateway}/mcp`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-session-id': 'bm90LW91cnM',
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
    });
    expect(answer.status).to.equal(404);
  });

  it('names an unknown tool and the nearest known ones', async () => {
    const agent = await connected('modern', 'many__whoami');
    const failure = await callText(agent, 'many__whoam').catch((error: unknown) => String(error));
    expect(failure).to.include('many__whoami');
    await agent.close();
  });

  it('goes on when a server is dead or slow, and says in the list who is missing', async () => {
    const dead = await startServer({ name: 'dead' });
    const slow = await startServer({ name: 'slow' });
    await register(mcpx, { name: 'dead', url: dead.url });
    await register(mcpx, { name: 'slow', url: slow.url });
    const agent = await connected('modern', 'slow__whoami');
    await dead.stop();
    slow.pause();
    // A change of the registration makes the probe ask again at once.
    for (const [name, server] of [
      ['dead', dead],
      ['slow', slow],
    ] as const)
      await fetch(`${mcpx.admin}/v1/services`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name, version: '1.0.1', url: server.url }),
      });
    await eventually('the list names both', async () => {
      const { _meta } = await agent.listTools();
      const missing = (_meta?.['mcpx/missing'] ?? []) as { service: string }[];
      const names = new Set(missing.map(({ service }) => service));
      return names.has('dead') && names.has('slow');
    });
    expect(await callText(agent, 'many__whoami')).to.equal('many');
    slow.resume();
    await agent.close();
  });
});
