import { expect } from 'chai';
import { emptyFleet, type Fleet, type ProbeReport } from '../../../src/fleet/fleet.js';
import type { Registration } from '../../../src/fleet/fleet.js';
import { merge } from '../../../src/fleet/merge.js';
import { Latest } from '../../../src/latest.js';
import { silentLog } from '../../../src/log.js';
import { Probe } from '../../../src/probe/probe.js';
import { freePorts } from '../../real/parts/child.js';
import { offering, registration, report } from '../fleet/registered.js';
import { localServer, messageOf, sendJson } from '../mcp/local_server.js';
import { until } from '../up/processes.js';
import { mcpServer, modernResults, type Spoken } from './mcp_server.js';

/** At 127.0.0.1; looked at as often as a registration may ask for. */
function local(port: number, fields: Partial<Registration> = {}): Registration {
  const health = { ...registration().health, intervalMs: 100, timeoutMs: 1_000 };
  return registration({ host: '127.0.0.1', port, era: 'modern', health, ...fields });
}

describe('the probe', () => {
  let fleet: Latest<Fleet>;
  const open: { close(): Promise<void> | void }[] = [];
  beforeEach(() => (fleet = new Latest(emptyFleet)));
  afterEach(async () => {
    for (const each of open.splice(0).reverse()) await each.close();
  });

  function start(): Probe {
    const probe = new Probe(fleet, silentLog);
    open.push(probe);
    return probe;
  }

  async function serving(...tools: readonly string[]): Promise<Spoken> {
    const server = await mcpServer(modernResults(...tools));
    open.push(server);
    return server;
  }

  const register = (registrations: readonly Registration[], probes: ProbeReport = new Map()) =>
    fleet.set(merge([report('file', registrations)], probes, fleet.value).fleet);

  const toolsIn = (known: ProbeReport, service = 'claims') =>
    known.get(service)?.catalogue?.tools.map(({ name }) => name);
  const offers = (probe: Probe, ...tools: readonly string[]) =>
    probe.report.when((known) => toolsIn(known)?.join() === tools.join());
  const fails = (probe: Probe) =>
    probe.report.when((known) => known.get('claims')?.failure !== undefined);

  it('asks every service at once: those there are and those that come', async () => {
    const [one, other] = [await serving('file'), await serving('renew')];
    register([local(one.port)]);
    const probe = start();
    await offers(probe, 'file');
    register([local(one.port), local(other.port, { name: 'policy' })]);
    const known = await probe.report.when((now) => now.has('policy'));
    expect(toolsIn(known, 'policy')).to.deep.equal(['renew']);
  });

  it('forgets a service that has gone', async () => {
    const { port } = await serving('file');
    const probe = start();
    register([local(port)]);
    await offers(probe, 'file');
    register([]);
    expect(probe.report.value.size).to.equal(0);
  });

  it('asks anew when an instance comes in a new version', async () => {
    const server = await serving('file');
    const probe = start();
    register([local(server.port)]);
    await offers(probe, 'file');
    server.results['tools/list'] = () => ({ tools: [{ name: 'file' }, { name: 'close' }] });
    register([local(server.port, { version: '2.0.0' })]);
    await offers(probe, 'file', 'close');
  });

  it('asks anew when an instance of the same id has moved to another port', async () => {
    const [one, other] = [await serving('file'), await serving('moved')];
    const probe = start();
    register([local(one.port, { id: 'claims-1' })]);
    await offers(probe, 'file');
    register([local(other.port, { id: 'claims-1' })]);
    await offers(probe, 'moved');
  });

  it('asks nothing anew for a change that is none of the server', async () => {
    const [one, other] = [await serving('file'), await serving('renew')];
    const probe = start();
    const claims = local(one.port, { health: calm });
    register([claims]);
    await offers(probe, 'file');
    register([{ ...claims, weight: 7, tags: ['pii'] }, local(other.port, { name: 'policy' })]);
    await probe.report.when((known) => known.has('policy'));
    expect(one.asked).to.deep.equal(['server/discover', 'tools/list']);
  });

  it('asks the next instance where one does not answer', async () => {
    const [away = 0] = await freePorts(1);
    const { port } = await serving('file');
    const probe = start();
    register([local(away, { id: 'a' }), local(port, { id: 'b' })]);
    const known = await offers(probe, 'file');
    expect(known.get('claims')?.failure).to.equal(undefined);
  });

  it('asks no instance that fails the checks of its registry', async () => {
    const { port, asked } = await serving('file');
    const probe = start();
    register([local(port, { checkedBy: 'registry', passing: false })]);
    const known = await fails(probe);
    expect(known.get('claims')?.failure).to.deep.equal({
      code: 'server_unreachable',
      message: 'No instance of claims passes its checks.',
    });
    expect(asked).to.deep.equal([]);
    register([local(port, { checkedBy: 'registry', passing: true })]);
    await offers(probe, 'file');
  });

  it('names the service, the instance and the reason of a failure', async () => {
    const [port = 0] = await freePorts(1);
    const probe = start();
    register([local(port, { id: 'claims-1' })]);
    const failure = (await fails(probe)).get('claims')?.failure;
    expect(failure?.code).to.equal('server_unreachable');
    expect(failure?.message).to.match(/^claims \(claims-1\) cannot be reached: .*\.$/);
  });

  it('notices that a server went, keeps what it offered, and finds it elsewhere', async () => {
    const server = await serving('file');
    const probe = start();
    register([local(server.port)]);
    await offers(probe, 'file');
    await server.close();
    expect(toolsIn(await fails(probe))).to.deep.equal(['file']);
    const back = await localServer((request, response) => {
      void messageOf(request).then(({ id, method }) =>
        sendJson(response, { id, result: modernResults('file', 'new')[method]?.({}) ?? {} }),
      );
    });
    open.push(back);
    const moved = Number(new URL(back.url).port);
    register([local(moved)]);
    const known = await offers(probe, 'file', 'new');
    expect(known.get('claims')?.failure).to.equal(undefined);
  });

  it('asks again by itself, after a failure too', async () => {
    const server = await serving('file');
    const { 'server/discover': discover } = server.results;
    server.results['server/discover'] = () => ({});
    const probe = start();
    register([local(server.port)]);
    await fails(probe);
    if (discover) server.results['server/discover'] = discover;
    await offers(probe, 'file');
  });

  it('keeps what an earlier run had learnt of a service that is away now', async () => {
    const [port = 0] = await freePorts(1);
    register([local(port)], offering({ claims: ['file'] }));
    const probe = start();
    expect(toolsIn(await fails(probe))).to.deep.equal(['file']);
  });

  it('tells nothing when the answer is the same as before', async () => {
    const server = await serving('file');
    const probe = start();
    register([local(server.port)]);
    const before = await offers(probe, 'file');
    register([local(server.port, { version: '1.0.1' })]);
    await until(() => server.asked.filter((method) => method === 'tools/list').length === 2);
    await until(() => server.asked.includes('ping'));
    expect(probe.report.value).to.equal(before);
  });

  it('goes on with others while servers that never answer are waited for', async () => {
    const silent = await localServer((request) => void request.resume());
    open.push(silent);
    const port = Number(new URL(silent.url).port);
    const { port: answering } = await serving('file');
    const names = Array.from({ length: 40 }, (_, index) => `silent-${index}`);
    const probe = start();
    register([...names.map((name) => local(port, { name })), local(answering, { name: 'zebra' })]);
    const known = await probe.report.when((now) => now.has('zebra'));
    expect([...known.keys()]).to.deep.equal(['zebra']);
  });

  it('names the instance that does not answer while another speaks for the service', async () => {
    const { port } = await serving('file');
    const [dead = 0] = await freePorts(1);
    const probe = start();
    register([local(port, { version: '2.0.0' }), local(dead)]);
    await offers(probe, 'file');
    await until(() => probe.report.value.get('claims')?.silent !== undefined);
    expect(probe.report.value.get('claims')?.silent).to.deep.equal([`127.0.0.1:${dead}`]);
  });

  it('plans nothing more once it is closed', async () => {
    const { port, asked } = await serving('file');
    const probe = start();
    register([local(port, { health: calm })]);
    await offers(probe, 'file');
    const planned = () =>
      process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = planned();
    probe.close();
    expect(planned(), 'the next visit').to.equal(before - 1);
    register([local(port, { version: '2.0.0' })]);
    expect(planned(), 'a visit to what changed').to.equal(before - 1);
    expect(asked).to.deep.equal(['server/discover', 'tools/list']);
  });
});

/** Not looked at again while a test lasts. */
const calm = { ...registration().health, intervalMs: 60_000 };
