import { Agent } from 'node:https';
import { expect } from 'chai';
import { emptyFleet, type Fleet, type ProbeReport } from '../../../src/fleet/fleet.js';
import type { Registration } from '../../../src/fleet/fleet.js';
import { merge } from '../../../src/fleet/merge.js';
import { Latest } from '../../../src/latest.js';
import { silentLog } from '../../../src/log.js';
import { Notices } from '../../../src/probe/notices.js';
import { Probe } from '../../../src/probe/probe.js';
import { registration, report } from '../fleet/registered.js';
import { until } from '../up/processes.js';
import { tellingServer, type TellingServer } from './telling_server.js';

/** Looked at so rarely that only what it tells can make the probe ask. */
function local(port: number, fields: Partial<Registration> = {}): Registration {
  const health = { ...registration().health, intervalMs: 3_600_000 };
  return registration({ host: '127.0.0.1', port, health, ...fields });
}

describe('what services tell', () => {
  let fleet: Latest<Fleet>;
  let probe: Probe;
  const servers: TellingServer[] = [];
  beforeEach(() => {
    fleet = new Latest(emptyFleet);
    probe = new Probe(fleet, silentLog);
  });
  afterEach(async () => {
    probe.close();
    for (const server of servers.splice(0)) await server.close();
  });

  async function telling(era: 'modern' | 'legacy'): Promise<TellingServer> {
    const server = await tellingServer(era);
    servers.push(server);
    return server;
  }

  const register = (...registrations: readonly Registration[]) =>
    fleet.set(merge([report('file', registrations)], new Map(), fleet.value).fleet);

  const toolsIn = (known: ProbeReport) =>
    known.get('claims')?.catalogue?.tools.map(({ name }) => name) ?? [];
  const offers = async (...tools: readonly string[]) =>
    probe.report.when((known) => toolsIn(known).join() === tools.join());
  const times = ({ asked }: TellingServer, method: string) =>
    asked.filter((each) => each === method).length;

  it('is heard by TLS too, over an agent whose sockets lead back to it', async () => {
    const server = await telling('legacy');
    const agent: Agent & { own?: unknown } = new Agent();
    agent.own = agent;
    const url = `https://127.0.0.1:${server.port}/mcp`;
    const wanted = { toolsListChanged: true };
    const speaker = { target: { url, agent }, era: 'legacy', wanted } as const;
    const notices = new Notices(() => undefined, silentLog);
    expect(() => notices.follow('claims', speaker)).not.to.throw();
    notices.close();
  });

  for (const era of ['modern', 'legacy'] as const) {
    const listening = era === 'modern' ? 'subscriptions/listen' : 'GET';

    it(`makes the probe ask a ${era} service again at once`, async () => {
      const server = await telling(era);
      register(local(server.port));
      await until(() => server.streams.size === 1 && times(server, 'tools/list') === 2);
      server.tools.push('second');
      server.tell();
      await offers('first', 'second');
      expect(times(server, listening)).to.equal(1);
    });

    it(`is asked for anew when the stream of a ${era} service breaks`, async () => {
      const server = await telling(era);
      register(local(server.port));
      await until(() => server.streams.size === 1);
      const [stream] = server.streams;
      server.tools.push('second');
      stream?.destroy();
      await offers('first', 'second');
      await until(() => server.streams.size === 1);
    });

    it(`is not asked for again of a ${era} service that refuses`, async () => {
      const server = await telling(era);
      server.refuses = era === 'modern' ? 404 : 405;
      register(local(server.port));
      await until(() => times(server, listening) === 1);
      // Another instance: the service is asked anew, at the same spokesman.
      register(local(server.port, { version: '1.1.0' }));
      await until(() => times(server, 'tools/list') === 2);
      register(local(server.port, { version: '1.2.0' }));
      await until(() => times(server, 'tools/list') === 3);
      expect(times(server, listening)).to.equal(1);
    });

    it(`is heard no longer when a ${era} service has gone`, async () => {
      const server = await telling(era);
      register(local(server.port));
      await until(() => server.streams.size === 1);
      register();
      await until(() => server.streams.size === 0);
      if (era === 'legacy') await until(() => times(server, 'DELETE') >= 2);
    });
  }

  it('is heard at the new address when a service moves', async () => {
    const [one, other] = [await telling('legacy'), await telling('modern')];
    register(local(one.port, { id: 'i' }));
    await until(() => one.streams.size === 1);
    register(local(other.port, { id: 'i' }));
    await until(() => one.streams.size === 0 && other.streams.size === 1);
  });

  it('is heard thousands of times, and asked about a few', async () => {
    const server = await telling('modern');
    register(local(server.port));
    await until(() => server.streams.size === 1 && times(server, 'tools/list') === 2);
    server.tools.push('second');
    server.tell(5_000);
    await offers('first', 'second');
    server.tools.push('third');
    server.tell(5_000);
    await offers('first', 'second', 'third');
    expect(times(server, 'tools/list')).to.be.below(10);
  });

  it('dates what was said, and changes nothing where it was said before', async () => {
    const server = await telling('modern');
    register(local(server.port));
    await until(() => times(server, 'tools/list') === 2);
    const before = await offers('first');
    const askedAt = probe.askedAt('claims') ?? 0;
    expect(askedAt).to.be.within(Date.now() - 10_000, Date.now());
    server.tell();
    await until(() => (probe.askedAt('claims') ?? 0) > askedAt);
    expect(probe.report.value).to.equal(before);
    register();
    expect(probe.askedAt('claims')).to.equal(undefined);
  });
});
