/** A replica of the control plane that ends under load: Envoy is told nothing, and goes on. */
import { expect } from 'chai';
import { BareClient } from '../wire/bare_client.js';
import { WireClient } from '../wire/client.js';
import { postCall } from './parts/agent.js';
import { startConsul, type RealConsul } from './parts/consul.js';
import { underLoad } from './parts/load.js';
import { eventually } from './parts/mcpx.js';
import { startReplicas, type Fleet, type Replica } from './parts/replicas.js';
import { startServer, stopServers, type ReferenceServer } from './parts/servers.js';

const kinds = ['cluster', 'endpoint', 'listener', 'route'] as const;

/** Every resource that Envoy holds, with its version and when it came. */
async function holdings({ envoyAdmin }: Fleet): Promise<readonly object[]> {
  const answer = await fetch(`${envoyAdmin}/config_dump?include_eds`);
  const { configs } = (await answer.json()) as { configs: Record<string, unknown>[] };
  return configs.map((config) => ({
    type: config['@type'],
    ...Object.fromEntries(Object.entries(config).filter(([key]) => key.startsWith('dynamic_'))),
  }));
}

/** Envoy's counters of what it was told and what it did about it, of all resources. */
async function changesCounted({ envoyAdmin }: Fleet): Promise<Readonly<Record<string, number>>> {
  const text = await (await fetch(`${envoyAdmin}/stats`)).text();
  const told =
    /\.(update_(success|rejected)|config_reload|version)$|_(added|modified|removed|updated)$/;
  const counted = text
    .split('\n')
    .map((line) => line.split(': ') as [string, string])
    .filter(([name]) => told.test(name) && !name.startsWith('cluster.mcpx_xds.'));
  return Object.fromEntries(counted.map(([name, value]) => [name, Number(value)]));
}

/** The version of every resource, as the replica tells it to an Envoy that is new to it. */
async function versionsAt({ xdsPort }: Replica): Promise<readonly string[]> {
  const client = new WireClient(xdsPort);
  const versions: string[] = [];
  const take = async () => {
    const response = await client.next();
    client.acknowledge(response);
    for (const { name, version } of response.resources ?? []) versions.push(`${name} ${version}`);
  };
  client.begin('cluster');
  await take();
  client.ask('endpoint', { resource_names_subscribe: ['resident'] });
  await take();
  client.ask('listener');
  await take();
  client.ask('route', { resource_names_subscribe: ['gateway', 'bridge'] });
  await take();
  client.close();
  return versions.sort();
}

describe('two replicas of the control plane, of which one ends', function () {
  this.timeout(90_000);
  let consul: RealConsul;
  let server: ReferenceServer;
  let fleet: Fleet;

  before(async () => {
    [consul, server] = await Promise.all([startConsul(), startServer()]);
    // Its tools have no prefix, so that the same call goes by both paths.
    await register('resident', { 'mcp-prefix': 'false' });
    fleet = await startReplicas(consul);
  });
  after(async () => {
    await fleet.stop();
    await Promise.all([consul.stop(), stopServers()]);
  });

  async function register(Name: string, meta: Record<string, string> = {}): Promise<void> {
    const Meta = { 'mcp-version': '1.0.0', ...meta };
    const where = { Address: '127.0.0.1', Port: server.port };
    await consul.register({ ID: Name, Name, ...where, Tags: ['mcp'], Meta });
  }

  const callable = (path: string, tool: string) =>
    eventually(`${tool} is callable at ${path}`, async () => {
      const answer = await postCall(`${fleet.gateway}${path}`, tool);
      return (await answer.text()).includes('"result"');
    });

  const holdsEnvoy = async (replica: Replica): Promise<boolean> => {
    const envoy = await replica.envoy();
    return envoy !== undefined && envoy.inSync && kinds.every((kind) => kind in envoy.kinds);
  };

  /** The replica that Envoy is connected to, and the other; both know the same. */
  async function settled(): Promise<readonly [Replica, Replica]> {
    const { replicas } = fleet;
    for (const each of replicas) each.start();
    await eventually('both replicas are ready', async () =>
      (await Promise.all(replicas.map((each) => each.ready()))).every(Boolean),
    );
    await callable('/mcp/resident', 'whoami');
    await callable('/mcp', 'whoami');
    await eventually('both replicas know the same', async () => {
      const exposed = replicas.map(async ({ admin }) =>
        (await fetch(`${admin}/v1/exposed`)).text(),
      );
      const [one = '', other] = await Promise.all(exposed);
      return one === other && one.includes('whoami');
    });
    let holder: Replica | undefined;
    await eventually('Envoy is connected and in sync', async () => {
      const held = await Promise.all(replicas.map(holdsEnvoy));
      holder = held[0] === held[1] ? undefined : replicas[held[0] ? 0 : 1];
      return holder !== undefined;
    });
    const [one, other] = replicas;
    return holder === one ? [one, other] : [other, one];
  }

  /** Agents call by both paths; no call may fail, whatever happens. */
  async function unharmed(happens: () => Promise<void>): Promise<void> {
    let inner = { done: 0, failures: ['not called'] as readonly string[] };
    const outer = await underLoad(`${fleet.gateway}/mcp/resident`, async () => {
      inner = await underLoad(`${fleet.gateway}/mcp`, happens);
    });
    expect([...outer.failures, ...inner.failures]).to.deep.equal([]);
    expect(Math.min(outer.done, inner.done)).to.be.greaterThan(0);
  }

  for (const signal of ['SIGKILL', 'SIGTERM'] as const)
    it(`${signal}: no call fails, Envoy is told nothing, and goes on (points 15, 39)`, async () => {
      const [first, second] = await settled();
      const before = { held: await holdings(fleet), counted: await changesCounted(fleet) };
      const responses = await second.responses();
      await unharmed(async () => {
        await first.end(signal);
        await eventually('Envoy is connected to the other', () => holdsEnvoy(second));
        expect(await holdings(fleet)).to.deep.equal(before.held);
        expect(await changesCounted(fleet)).to.deep.equal(before.counted);
        expect(await second.responses(), 'responses sent').to.equal(responses);
        const later = `after-${signal.toLowerCase()}`;
        await register(later);
        await callable(`/mcp/${later}`, 'whoami');
        await callable('/mcp', `${later}__whoami`);
      });
    });

  it('tell the same in the same versions (point 14)', async () => {
    const [first, second] = await settled();
    const versions = await versionsAt(first);
    expect(versions).to.have.length.greaterThan(kinds.length);
    expect(await versionsAt(second)).to.deep.equal(versions);
  });

  it('one that is to stop says so before it sends Envoys away, and after (point 39)', async () => {
    const [first, second] = await settled();
    const client = new BareClient(first.xdsPort, { lingers: true });
    await client.begin();
    const ended = first.end('SIGTERM');
    await client.sentAway;
    const ready = await fetch(`${first.admin}/readyz`);
    expect(ready.status).to.equal(503);
    expect(await ready.text()).to.include('stopping');
    await eventually('Envoy is connected to the other', () => holdsEnvoy(second));
    expect((await fetch(`${first.admin}/healthz`)).status, 'it still answers').to.equal(200);
    client.close();
    await ended;
  });
});
