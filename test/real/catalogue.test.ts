/** The catalogue follows the servers: what they tell, what they promise, what they become. */
import { expect } from 'chai';
import type { Client } from '@modelcontextprotocol/client';
import { callText, connectAgent } from './parts/agent.js';
import { eventually, startMcpx, type Mcpx } from './parts/mcpx.js';
import { register } from './parts/registering.js';
import { startServer, stopServers } from './parts/servers.js';

type Era = 'modern' | 'legacy';

interface Shown {
  readonly summary: { readonly eras: readonly Era[]; readonly versions: readonly string[] };
  readonly probe: { readonly askedAt?: string };
  readonly tools: readonly { readonly tool: string }[];
}

describe('the catalogue', () => {
  let mcpx: Mcpx;
  const agents: Client[] = [];

  before(async () => (mcpx = await startMcpx()));
  afterEach(async () => {
    for (const agent of agents.splice(0)) await agent.close();
  });
  after(async () => {
    await mcpx.stop();
    await stopServers();
  });

  async function agentAt(path: string, era: Era): Promise<Client> {
    const agent = await connectAgent(`${mcpx.gateway}${path}`, era);
    agents.push(agent);
    return agent;
  }

  async function shown(service: string): Promise<Shown> {
    const answer = await fetch(`${mcpx.admin}/v1/services/${service}`);
    return (await answer.json()) as Shown;
  }

  const lists = async (agent: Client, tool: string) =>
    (await agent.listTools()).tools.some(({ name }) => name === tool);

  const speaks = async (service: string, ...eras: readonly Era[]) =>
    (await shown(service)).summary.eras.join() === eras.join();

  for (const era of ['modern', 'legacy'] as const) {
    it(`shows on /mcp a tool that a ${era} server adds at run time, at once`, async () => {
      const name = `telling-${era}`;
      const server = await startServer({ era, name });
      await register(mcpx, { name, url: server.url, health: { interval: '1h' } });
      const agent = await agentAt('/mcp', era);
      await eventually('it is listed', async () => lists(agent, `${name}__grow`));
      const asked = (await shown(name)).probe.askedAt;
      await callText(agent, `${name}__grow`, { tool: 'grown' });
      await eventually('the tool is listed', async () => lists(agent, `${name}__grown`));
      expect(await callText(agent, `${name}__grown`)).to.equal('grown');
      expect((await shown(name)).probe.askedAt).to.not.equal(asked);
    });

    it(`hears a ${era} server again after it was started anew`, async () => {
      const name = `restarted-${era}`;
      const server = await startServer({ era, name });
      await register(mcpx, { name, url: server.url, health: { interval: '1h' } });
      const agent = await agentAt('/mcp', era);
      await eventually('it is listed', async () => lists(agent, `${name}__grow`));
      await server.stop();
      await startServer({ era, name, port: server.port, tools: 1 });
      await eventually('its new tool', async () => lists(agent, `${name}__tool-0000`));
      const direct = await connectAgent(server.url, era);
      agents.push(direct);
      await callText(direct, 'grow', { tool: 'after' });
      await eventually('what it tells', async () => lists(agent, `${name}__after`));
    });
  }

  it('asks again when what a server said may no longer be believed', async () => {
    const server = await startServer({ era: 'modern', name: 'short', ttlMs: 5_000 });
    await register(mcpx, { name: 'short', url: server.url, health: { interval: '1h' } });
    const agent = await agentAt('/mcp', 'modern');
    await eventually('it is listed', async () => lists(agent, 'short__grow'));
    // The first may be seen because MCPX has just begun to listen; the second may not.
    for (const quiet of ['silent', 'still']) {
      await callText(agent, 'short__grow', { tool: quiet, quietly: true });
      await eventually(`${quiet} is known`, async () =>
        (await shown('short')).tools.some(({ tool }) => tool === quiet),
      );
    }
    await eventually('both are listed', async () => lists(agent, 'short__still'));
  });

  it('follows a server that learns the other era, and one that forgets it', async () => {
    const server = await startServer({ era: 'legacy', name: 'learning' });
    await register(mcpx, { name: 'learning', url: server.url });
    await eventually('it is legacy', async () => speaks('learning', 'legacy'));
    await server.stop();
    const dual = await startServer({ era: 'dual', name: 'learning', port: server.port });
    await eventually('it speaks both', async () => speaks('learning', 'modern', 'legacy'));
    const agent = await agentAt('/mcp', 'modern');
    await eventually('modern agents see it', async () => lists(agent, 'learning__whoami'));
    await dual.stop();
    await startServer({ era: 'modern', name: 'learning', port: server.port });
    await eventually('it is modern', async () => speaks('learning', 'modern'));
  });

  it('is that of the newest version', async () => {
    const older = await startServer({ name: 'newest' });
    const newer = await startServer({ name: 'newest', tools: 1 });
    await register(mcpx, { name: 'newest', url: newer.url, version: '1.10.0' });
    await register(mcpx, { name: 'newest', url: older.url, version: '1.9.0' });
    await eventually('both are known', async () => {
      const { summary, tools } = await shown('newest');
      return summary.versions.length === 2 && tools.some(({ tool }) => tool === 'tool-0000');
    });
  });
});
