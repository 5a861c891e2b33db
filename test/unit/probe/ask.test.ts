import { expect } from 'chai';
import type { RequestListener } from 'node:http';
import type { Policy } from '../../../src/fleet/fleet.js';
import { ask } from '../../../src/probe/ask.js';
import { freePorts } from '../../real/parts/child.js';
import { startServer, stopServers } from '../../real/parts/servers.js';
import { localServer } from '../mcp/local_server.js';
import { until } from '../up/processes.js';
import { legacyResults, mcpServer, modernResults, type Spoken } from './mcp_server.js';

const limits = { deadlineMs: 2_000 };

describe('asking a server', () => {
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    await stopServers();
    await Promise.all(open.splice(0).map((server) => server.close()));
  });

  async function speaking(results: Spoken['results']): Promise<Spoken> {
    const server = await mcpServer(results);
    open.push(server);
    return server;
  }

  async function askedOf(handle: RequestListener, deadlineMs = 2_000) {
    let requests = 0;
    const server = await localServer((request, response) => {
      requests += 1;
      handle(request, response);
    });
    open.push(server);
    return {
      ...(await ask({ url: server.url }, 'auto', { deadlineMs })),
      requests: () => requests,
    };
  }

  describe('finds out what it speaks', () => {
    const cases: readonly ['modern' | 'legacy' | 'dual', Policy['era'], readonly string[]][] = [
      ['modern', 'auto', ['modern']],
      ['legacy', 'auto', ['legacy']],
      ['dual', 'auto', ['modern', 'legacy']],
      ['dual', 'legacy', ['legacy']],
      ['dual', 'modern', ['modern']],
    ];
    for (const [server, era, spoken] of cases)
      it(`of a ${server} server registered as ${era}: ${spoken.join(' and ')}`, async () => {
        const { url } = await startServer({ era: server, name: 'claims', tools: 3 });
        const { catalogue, failure } = await ask({ url }, era, limits);
        expect(failure).to.equal(undefined);
        expect(catalogue?.eras).to.deep.equal(spoken);
        expect(catalogue?.serverInfo).to.include({ name: 'claims', version: '1.0.0' });
        expect(catalogue?.tools.map(({ name }) => name)).to.include.members([
          'whoami',
          'tool-0002',
        ]);
      });

    for (const [server, era] of [
      ['legacy', 'modern'],
      ['modern', 'legacy'],
    ] as const)
      it(`of a ${server} server registered as ${era}: nothing`, async () => {
        const { url } = await startServer({ era: server });
        const { catalogue, failure } = await ask({ url }, era, limits);
        expect(catalogue).to.equal(undefined);
        expect(failure?.code).to.equal('server_not_mcp');
      });
  });

  describe('reads what it offers', () => {
    it('page by page, and nothing that has no name', async () => {
      const pages: Record<string, object> = {
        first: { tools: [{ name: 'a' }, { title: 'nameless' }, 'text'], nextCursor: '' },
        '': { tools: [{ name: 'b', description: 'kept' }], nextCursor: 'last' },
        last: { tools: [{ name: 'c' }] },
      };
      const results = modernResults();
      results['tools/list'] = ({ cursor = 'first' }) => ({ ...pages[cursor as string] });
      const { url } = await speaking(results);
      const { catalogue } = await ask({ url }, 'auto', limits);
      expect(catalogue?.tools).to.deep.equal([
        { name: 'a' },
        { name: 'b', description: 'kept' },
        { name: 'c' },
      ]);
    });

    it('by no list that it does not promise', async () => {
      const results = modernResults();
      const discovered = results['server/discover']!({});
      results['server/discover'] = () => ({ ...discovered, capabilities: {} });
      const { url, asked } = await speaking(results);
      const { catalogue } = await ask({ url }, 'modern', limits);
      expect(catalogue?.tools).to.deep.equal([]);
      expect(asked).to.deep.equal(['server/discover']);
    });

    it('and fails when a list it promises cannot be read', async () => {
      const results = modernResults();
      results['tools/list'] = () => ({ tools: 'many' });
      const { url } = await speaking(results);
      const { catalogue, failure } = await ask({ url }, 'modern', limits);
      expect(catalogue).to.equal(undefined);
      expect(failure?.message).to.include('tools/list');
    });

    it('in the era that can be read, where the other cannot', async () => {
      const results = { ...modernResults('newer'), ...legacyResults('older') };
      const discovered = results['server/discover']!({});
      results['server/discover'] = () => ({ ...discovered, supportedVersions: ['2099-01-01'] });
      const { url } = await speaking(results);
      const { catalogue, failure } = await ask({ url }, 'auto', limits);
      expect([catalogue?.eras, failure]).to.deep.equal([['legacy'], undefined]);
    });
  });

  it('ends the session it began', async () => {
    const { url, asked } = await speaking(legacyResults('file'));
    await ask({ url }, 'legacy', limits);
    await until(() => asked.includes('DELETE'));
    expect(asked).to.deep.equal([
      'initialize',
      'notifications/initialized',
      'tools/list',
      'DELETE',
    ]);
  });

  it('tells that nobody listens', async () => {
    const [port] = await freePorts(1);
    const { catalogue, failure } = await ask(
      { url: `http://127.0.0.1:${port}/mcp` },
      'auto',
      limits,
    );
    expect(catalogue).to.equal(undefined);
    expect(failure?.code).to.equal('server_unreachable');
    expect(failure?.message).to.match(/^cannot be reached: .*ECONNREFUSED/);
  });

  it('tells that it is too slow, and does not try the other era', async () => {
    const { failure, requests } = await askedOf(() => undefined, 100);
    expect(failure).to.deep.equal({
      code: 'server_unreachable',
      message: 'did not answer within 100 ms',
    });
    expect(requests()).to.equal(1);
  });

  const strange: readonly [string, number, string, string, RegExp][] = [
    ['is a web site', 200, 'text/html', '<h1>Welcome</h1>', /HTTP 200 with no JSON: <h1>Welcome/],
    ['knows no such path', 404, 'text/plain', 'no such page', /answered HTTP 404: no such page/],
    ['speaks another JSON', 200, 'application/json', '{"ok":true}', /no JSON-RPC response/],
    [
      'ends its stream early',
      200,
      'text/event-stream',
      ': hello\n\n',
      /ended without the response/,
    ],
  ];
  for (const [which, status, type, body, message] of strange)
    it(`tells that it ${which}`, async () => {
      const { failure } = await askedOf((request, response) => {
        request.resume();
        response.writeHead(status, { 'content-type': type }).end(body);
      });
      expect(failure?.code).to.equal('server_not_mcp');
      expect(failure?.message).to.match(message);
    });
});
