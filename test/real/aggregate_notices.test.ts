/** /mcp: what servers say while a call runs and of their own accord, and what agents take back. */
import { expect } from 'chai';
import type { Client } from '@modelcontextprotocol/client';
import { callText, connectSeeing } from './parts/agent.js';
import { eventually, startMcpx, type Mcpx } from './parts/mcpx.js';
import { register, registerBothEras } from './parts/registering.js';
import { startServer, stopServers } from './parts/servers.js';

const eras = ['modern', 'legacy'] as const;
const updated = 'notifications/resources/updated';
const toolsChanged = 'notifications/tools/list_changed';

describe('/mcp, notifications and cancellation', () => {
  let mcpx: Mcpx;

  before(async () => {
    mcpx = await startMcpx();
    await registerBothEras(mcpx);
  });

  after(async () => {
    await mcpx.stop();
    await stopServers();
  });

  async function connected(era: (typeof eras)[number]): Promise<Client> {
    return connectSeeing(`${mcpx.gateway}/mcp`, era, `${era}-a__touch`, `${era}-b__touch`);
  }

  /** Methods and URIs of what comes from now on. */
  function heardBy(agent: Client): string[] {
    const heard: string[] = [];
    agent.fallbackNotificationHandler = ({ method, params }) => {
      heard.push([method, params?.['uri']].filter(Boolean).join(' '));
      return Promise.resolve();
    };
    return heard;
  }

  /** A service that was not there before; its name is never used again. */
  async function registerAnother(name: string): Promise<void> {
    const { url } = await startServer({ name });
    await register(mcpx, { name, url });
  }

  for (const era of eras)
    describe(`for a ${era} agent`, () => {
      let agent: Client;
      beforeEach(async () => {
        agent = await connected(era);
      });
      afterEach(() => agent.close());

      it('hears progress and log messages during its call', async () => {
        const logged: unknown[] = [];
        agent.setNotificationHandler('notifications/message', ({ params }) => {
          logged.push(params.data);
        });
        const progress: number[] = [];
        // eslint-disable-next-line @typescript-eslint/no-deprecated -- what legacy agents do
        if (era === 'legacy') await agent.setLoggingLevel('info');
        await agent.callTool(
          {
            name: `${era}-a__report`,
            arguments: {},
            ...(era === 'modern' && {
              _meta: { 'io.modelcontextprotocol/logLevel': 'info' },
            }),
          },
          { onprogress: (step) => progress.push(step.progress) },
        );
        expect(progress).to.deep.equal([1, 2]);
        await eventually('the log messages', () => logged.length === 2);
        expect(logged).to.deep.equal(['step 1', 'step 2']);
      });

      it('cancels a call at its server', async () => {
        const before = Number(await callText(agent, `${era}-b__cancellations`));
        const stop = new AbortController();
        const call = agent.callTool(
          { name: `${era}-b__linger`, arguments: {} },
          { signal: stop.signal },
        );
        setTimeout(() => stop.abort(), 300);
        expect(await call.catch((error: unknown) => String(error))).to.be.a('string');
        await eventually(
          'the server heard of it',
          async () => Number(await callText(agent, `${era}-b__cancellations`)) === before + 1,
        );
      });
    });

  it('tells a legacy agent of an updated resource and of a service that came', async () => {
    const agent = await connected('legacy');
    const heard = heardBy(agent);
    await agent.subscribeResource({ uri: 'note://legacy-a/one' });
    await eventually('the update', async () => {
      await callText(agent, 'legacy-a__touch');
      return heard.includes(`${updated} note://legacy-a/one`);
    });
    await agent.unsubscribeResource({ uri: 'note://legacy-a/one' });
    await registerAnother('late-one');
    await eventually('the list change', () => heard.includes(toolsChanged));
    const { tools } = await agent.listTools();
    expect(tools.map(({ name }) => name)).to.include('late-one__whoami');
    await agent.close();
  });

  it('tells a modern agent what it listens for, of all services, in one stream', async () => {
    const agent = await connected('modern');
    const heard = heardBy(agent);
    const uris = ['note://modern-a/one', 'note://modern-b/one', 'note://nobody/one'];
    const listening = await agent.listen({ toolsListChanged: true, resourceSubscriptions: uris });
    expect(listening.honoredFilter).to.deep.equal({
      toolsListChanged: true,
      resourceSubscriptions: uris.slice(0, 2),
    });
    for (const name of ['modern-a', 'modern-b']) {
      await callText(agent, `${name}__touch`);
      await eventually(`the update of ${name}`, () =>
        heard.includes(`${updated} note://${name}/one`),
      );
    }
    await registerAnother('late-two');
    await eventually('the list change', () => heard.includes(toolsChanged));
    await listening.close();
    await agent.close();
  });

  it('goes on telling when a server of a listening agent comes again', async () => {
    const server = await startServer({ era: 'modern', name: 'again' });
    await register(mcpx, { name: 'again', url: server.url });
    const agent = await connected('modern');
    await eventually('it is offered', async () => {
      const { resources } = await agent.listResources();
      return resources.some(({ uri }) => uri === 'note://again/one');
    });
    const heard = heardBy(agent);
    const uri = 'note://again/one';
    const listening = await agent.listen({ resourceSubscriptions: [uri] });
    await server.stop();
    await startServer({ era: 'modern', name: 'again', port: server.port });
    await eventually('it says that it may have missed something', () =>
      heard.includes(`${updated} ${uri}`),
    );
    await listening.close();
    await agent.close();
  });

  it('ends the stream of a session with the session', async () => {
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    };
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x' } };
    const initialize = { jsonrpc: '2.0', id: 1, method: 'initialize', params };
    const opened = await fetch(`${mcpx.gateway}/mcp`, {
      method: 'POST',
      headers,
      body: JSON.stringify(initialize),
    });
    const session = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' };
    const stream = await fetch(`${mcpx.gateway}/mcp`, { headers: { ...headers, ...session } });
    expect(stream.status).to.equal(200);
    expect(stream.headers.get('content-type')).to.equal('text/event-stream');
    await fetch(`${mcpx.gateway}/mcp`, { method: 'DELETE', headers: session });
    expect(await stream.text()).to.equal('');
    const again = await fetch(`${mcpx.gateway}/mcp`, { headers: { ...headers, ...session } });
    expect(again.status).to.equal(404);
  });
});
