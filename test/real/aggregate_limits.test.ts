/** /mcp where it is strained: servers that forget, hang, grow or have very much to offer. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import type { Client } from '@modelcontextprotocol/client';
import { packageFile } from '../../src/package_file.js';
import { callText, connectSeeing } from './parts/agent.js';
import { startChild, whenReady, type Child } from './parts/child.js';
import { eventually, freePort, startMcpx, type Mcpx } from './parts/mcpx.js';
import { register } from './parts/registering.js';
import { startServer, stopServers } from './parts/servers.js';

describe('/mcp, under strain', () => {
  let mcpx: Mcpx;

  before(async () => {
    mcpx = await startMcpx();
  });

  after(async () => {
    await mcpx.stop();
    await stopServers();
  });

  async function connected(era: 'modern' | 'legacy', sees: string): Promise<Client> {
    return connectSeeing(`${mcpx.gateway}/mcp`, era, sees);
  }

  async function startEverything(port: number): Promise<Child> {
    const script = packageFile(
      'node_modules/@modelcontextprotocol/server-everything/dist/index.js',
    );
    const child = startChild('env', [`PORT=${port}`, process.execPath, script, 'streamableHttp']);
    await whenReady(
      child,
      async () => (await fetch(`http://127.0.0.1:${port}/mcp`)).status === 400,
    );
    return child;
  }

  it('opens a session anew at a server that says 400 where it forgot one', async () => {
    const port = await freePort();
    const before = await startEverything(port);
    await register(mcpx, { name: 'everything', url: `http://127.0.0.1:${port}/mcp` });
    const agent = await connected('legacy', 'everything__echo');
    const echo = async () => callText(agent, 'everything__echo', { message: 'hello' });
    expect(await echo()).to.equal('Echo: hello');
    // The first call made us ask how it forgets; the next ones know.
    await eventually('calls take lane 3', async () => (await echo()) === 'Echo: hello');
    await before.stop();
    const after = await startEverything(port);
    await eventually('it is called again', async () => (await echo()) === 'Echo: hello');
    await agent.close();
    await after.stop();
  });

  it('lists ten thousand tools in pages of a thousand', async () => {
    const { url } = await startServer({ era: 'modern', name: 'huge', tools: 10_000 });
    await register(mcpx, { name: 'huge', url });
    const agent = await connected('modern', 'huge__tool-0000');
    // The client follows every page by itself.
    const names = (await agent.listTools()).tools.map(({ name }) => name);
    const huge = names.filter((name) => name.startsWith('huge__tool-'));
    expect(new Set(huge).size).to.equal(10_000);
    await agent.close();
  });

  it('holds nobody up when a server hangs', async () => {
    const [well, hanging] = await Promise.all(
      ['well', 'hanging'].map(async (name) => startServer({ era: 'legacy', name })),
    );
    await register(mcpx, { name: 'well', url: well?.url ?? '' });
    await register(mcpx, { name: 'hanging', url: hanging?.url ?? '' });
    await connected('legacy', 'well__whoami').then((agent) => agent.close());
    const agent = await connected('legacy', 'hanging__whoami');
    await agent.readResource({ uri: 'note://hanging/one' });
    hanging?.pause();
    const began = Date.now();
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- what legacy agents do
    await agent.setLoggingLevel('info');
    expect(await callText(agent, 'well__whoami')).to.equal('well');
    const { prompts } = await agent.listPrompts();
    expect(prompts.map(({ name }) => name)).to.include('hanging__greet');
    expect(Date.now() - began).to.be.below(5_000);
    hanging?.resume();
    await agent.close();
  });

  it('tells that a list changed when a server’s own list did', async () => {
    const { url } = await startServer({ era: 'modern', name: 'growing' });
    await register(mcpx, { name: 'growing', url });
    const agent = await connected('modern', 'growing__grow');
    let told = 0;
    agent.setNotificationHandler('notifications/tools/list_changed', () => {
      told++;
    });
    const listening = await agent.listen({ toolsListChanged: true });
    await callText(agent, 'growing__grow', { tool: 'fresh' });
    await eventually('it is told', () => told > 0);
    const { tools } = await agent.listTools();
    expect(tools.map(({ name }) => name)).to.include('growing__fresh');
    await listening.close();
    await agent.close();
  });

  it('shows the counters of the filter service, and that it lives', async () => {
    const settings = parse(await readFile(join(mcpx.data, 'mcpx.yaml'), 'utf8')) as {
      filter: { bridgePort: number };
    };
    const own = `http://127.0.0.1:${settings.filter.bridgePort}`;
    const metrics = await (await fetch(`${own}/metrics`)).text();
    expect(metrics).to.match(/mcpx_filter_decisions_total\{lane="decide"\} \d+/);
    expect((await fetch(`${own}/healthz`)).status).to.equal(200);
    expect((await fetch(`${mcpx.gateway}/metrics`)).status).to.equal(404);
  });
});
