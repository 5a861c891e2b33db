import type { ServerResponse } from 'node:http';
import { expect } from 'chai';
import { emptyFleet, type Fleet } from '../../../src/fleet/fleet.js';
import { merge } from '../../../src/fleet/merge.js';
import { Latest } from '../../../src/latest.js';
import { silentLog } from '../../../src/log.js';
import { ask } from '../../../src/probe/ask.js';
import { Probe } from '../../../src/probe/probe.js';
import { registration, report } from '../fleet/registered.js';
import { localServer } from '../mcp/local_server.js';
import { mcpServer, modernResults } from './mcp_server.js';

const limits = { deadlineMs: 5_000 };

describe('a server without measure', () => {
  const open: { close(): Promise<void> | void }[] = [];
  afterEach(async () => {
    for (const each of open.splice(0).reverse()) await each.close();
  });

  async function serving(list: (cursor: unknown) => Record<string, unknown>) {
    const results = modernResults();
    results['tools/list'] = ({ cursor }) => list(cursor);
    const server = await mcpServer(results);
    open.push(server);
    return { url: server.url };
  }

  it('may offer 10,000 tools', async () => {
    const tools = Array.from({ length: 10_000 }, (_, index) => ({ name: `tool-${index}` }));
    const { catalogue } = await ask(await serving(() => ({ tools })), 'modern', limits);
    expect(catalogue?.tools).to.have.lengthOf(10_000);
  });

  it('may not go on listing for ever', async () => {
    let pages = 0;
    const target = await serving(() => ({ tools: [], nextCursor: String(++pages) }));
    const { failure } = await ask(target, 'modern', limits);
    expect(failure?.message).to.include('tools/list has more than 1000 pages');
    expect(pages).to.equal(1_000);
  }).timeout(10_000);

  it('may not answer without end, on one page or on many', async () => {
    const page = [{ name: 'x'.repeat(600) }];
    const small = { ...limits, bytesMax: 1_000 };
    const huge = await ask(await serving(() => ({ tools: [...page, ...page] })), 'modern', small);
    expect(huge.failure?.message).to.include('larger than 1000 bytes');
    let pages = 0;
    const many = await serving(() => ({ tools: page, nextCursor: String(++pages) }));
    const told = await ask(many, 'modern', small);
    expect(told.failure?.message).to.include('its tools/list is larger than 1000 bytes');
    expect(pages).to.equal(2);
  });

  it('may not trickle', async () => {
    const server = await localServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const timer = setInterval(() => response.write(' '), 5);
      response.once('close', () => clearInterval(timer));
    });
    open.push(server);
    const { failure } = await ask({ url: server.url }, 'auto', { deadlineMs: 200 });
    expect(failure).to.deep.equal({
      code: 'server_unreachable',
      message: 'did not answer within 200 ms',
    });
  });

  it('says how long it may be believed: the least counts', async () => {
    const results = modernResults();
    const discovered = results['server/discover']?.({});
    results['server/discover'] = () => ({ ...discovered, ttlMs: 9_000 });
    results['tools/list'] = () => ({ tools: [], ttlMs: 7_000 });
    const server = await mcpServer(results);
    open.push(server);
    expect((await ask({ url: server.url }, 'modern', limits)).ttlMs).to.equal(7_000);
    expect((await ask(await serving(() => ({ tools: [] })), 'modern', limits)).ttlMs).to.equal(
      undefined,
    );
  });

  it('holds up nobody else: forty that never answer, and one that does', async () => {
    const silent: ServerResponse[] = [];
    const slow = await localServer((_request, response) => void silent.push(response));
    const good = await mcpServer(modernResults('file'));
    open.push(slow, good);
    const fleet = new Latest<Fleet>(emptyFleet);
    const probe = new Probe(fleet, silentLog);
    open.push(probe);
    const at = (name: string, url: string) =>
      registration({ name, host: '127.0.0.1', port: Number(new URL(url).port), era: 'modern' });
    const registrations = Array.from({ length: 40 }, (_, index) => at(`a-${index}`, slow.url));
    registrations.push(at('good', good.url));
    fleet.set(merge([report('file', registrations)], new Map(), fleet.value).fleet);
    await probe.report.when((known) => known.has('good'));
    expect(probe.report.value.size).to.equal(1);
  }).timeout(10_000);
});
