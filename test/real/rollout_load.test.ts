/**
 * That no agent notices a rollout: constant traffic through two Envoys while versions are
 * shipped and taken back, and what becomes of sessions and streams when a version is retired.
 *
 * `/mcp` carries calls and legacy sessions with their streams, as `/mcp/{service}` does; what a
 * server asks of its client is not routed there, so it is not part of this traffic.
 */
import { expect } from 'chai';
import { rolloutStatus } from '../../src/admin/rollout_schemas.js';
import { callText, connectAgent, postCall } from './parts/agent.js';
import { startConsul, type RealConsul } from './parts/consul.js';
import { startMachines, type Machine, type Machines } from './parts/machines.js';
import { eventually } from './parts/mcpx.js';
import { startServer, stopServers, type ReferenceServer } from './parts/servers.js';
import {
  beginSession,
  openCall,
  openTelling,
  postLegacy,
  type OpenStream,
} from './parts/streams.js';
import { startTraffic, type Door, type Traffic } from './parts/traffic.js';

/** Latencies on a busy machine are no sign of anything. */
const limits = { maxErrorRate: 0.05, maxP99: 50, minCalls: 10 };

describe('a rollout under load, through two Envoys', function () {
  this.timeout(90_000);
  let consul: RealConsul;
  let machines: Machines;
  let traffic: Traffic | undefined;
  const streams: OpenStream[] = [];
  const servers = new Map<string, ReferenceServer>();

  before(async () => {
    consul = await startConsul();
    machines = await startMachines(consul);
  });
  afterEach(async () => {
    await traffic?.stop();
    traffic = undefined;
    for (const stream of streams.splice(0)) stream.close();
    await stopServers();
  });
  after(async () => {
    await machines.stop();
    await consul.stop();
  });

  const send = ({ replica }: Machine, path: string, body?: object) =>
    fetch(`${replica.admin}/v1/services/${path}`, {
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
      headers: { 'content-type': 'application/json', 'x-mcpx-user': 'ana' },
    });

  /** Operators ask now the one replica, now the other. */
  let asked = 0;
  async function order(path: string, body: object = {}): Promise<void> {
    const machine = machines.both[asked++ % 2];
    const answer = machine && (await send(machine, path, body));
    if (!answer?.ok) throw new Error(await answer?.text());
  }

  const statusOf = async (service: string, machine: Machine = machines.both[0]) =>
    rolloutStatus.parse(await (await send(machine, `${service}/rollout`)).json());

  /** On both machines, and their Envoys hold it. */
  const comesTo = (service: string, what: string) =>
    eventually(`the rollout of ${service} came to ${what}`, async () => {
      for (const machine of machines.both) {
        const { rollout, next, lagging } = await statusOf(service, machine);
        const last = rollout.events.at(-1)?.what;
        if (last !== what) throw new Error(`it came to ${last}: ${next.why}`);
        if (lagging.length > 0) return false;
      }
      return true;
    });

  async function serve(
    service: string,
    versions: readonly string[],
    checkedByConsul = false,
  ): Promise<void> {
    for (const version of versions) {
      const server = await startServer({ era: 'both', name: service, answer: version });
      servers.set(`${service}@${version}`, server);
      await consul.register({
        ...{ ID: `${service}-${version}`, Name: service, Address: '127.0.0.1', Port: server.port },
        ...{ Tags: ['mcp'], Meta: { 'mcp-version': version } },
        ...(checkedByConsul && {
          Check: { TCP: `127.0.0.1:${server.port}`, Interval: '1s' },
        }),
      });
    }
    for (const machine of machines.both) {
      const { gateway } = machine;
      await eventually(`${service} is called on both paths`, async () => {
        for (const { url, tool } of doorsOf(service, gateway))
          if (!(await (await postCall(url, tool)).text()).includes('"result"')) return false;
        return true;
      });
      await eventually('a rollout may begin', async () => {
        const answer = await send(machine, `${service}/rollout?dryRun=true`, {
          ...{ from: versions[0], to: versions.at(-1) },
        });
        if (!answer.ok) throw new Error(await answer.text());
        return true;
      });
    }
  }

  const doorsOf = (service: string, gateway: string): readonly Door[] => [
    { url: `${gateway}/mcp/${service}`, tool: 'whoami' },
    { url: `${gateway}/mcp`, tool: `${service}__whoami` },
  ];
  const doors = (service: string) =>
    machines.both.flatMap(({ gateway }) => doorsOf(service, gateway));

  /** Calls that tell their progress, and what sessions are told unasked: at every door. */
  async function openStreams(service: string): Promise<void> {
    for (const { url, tool } of doors(service)) {
      const march = tool.replace('whoami', 'march');
      const session = await beginSession(url);
      // Behind `/mcp` the session on the server begins with its first call.
      await (
        await postLegacy(url, session, {
          ...{ id: 2, method: 'tools/call', params: { name: tool, arguments: {} } },
        })
      ).text();
      streams.push(
        ...(await Promise.all([
          openCall(url, march),
          openCall(url, march, session),
          openTelling(url, session),
        ])),
      );
    }
  }

  const cut = () => streams.flatMap(({ what, ended }) => (ended() ? [`${what}: ${ended()}`] : []));

  it('nobody notices: no call fails, no session moves, no stream is cut', async () => {
    await serve('claims', ['1.0.0', '2.0.0', '3.0.0']);
    // Until its first rollout versions share by weight: this one brings all to the first.
    await order('claims/rollout', { kind: 'bluegreen', from: '1.0.0', to: '2.0.0' });
    await comesTo('claims', 'stage');
    await order('claims/rollout/abort');
    await comesTo('claims', 'abort');
    traffic = startTraffic(doors('claims'));
    await openStreams('claims');
    const happened = async (what: string) => {
      await comesTo('claims', what);
      await traffic?.round();
      expect(traffic?.failures, what).to.deep.equal([]);
      expect(cut(), what).to.deep.equal([]);
    };
    await traffic.round();
    const canary = { every: '1s', ...limits };
    await order('claims/rollout', { ...canary, to: '2.0.0', steps: [25, 60] });
    await happened('promote');
    await order('claims/rollout', { ...canary, every: '1h', to: '3.0.0', steps: [50] });
    await happened('start');
    await order('claims/rollout/abort');
    await happened('abort');
    await order('claims/rollout', { kind: 'bluegreen', to: '3.0.0' });
    await happened('stage');
    for (const move of ['switch', 'rollback', 'switch', 'finish', 'rollback']) {
      await order(`claims/rollout/${move}`);
      await happened(move);
    }
    expect([...traffic.sessions().keys()].sort()).to.deep.equal(['1.0.0', '2.0.0', '3.0.0']);
    expect(traffic.calls()).to.be.greaterThan(100);
    for (const stream of streams)
      if (stream.what.startsWith('march')) expect(stream.text()).to.include('"progress":20');
  });

  it('after the drain sessions end cleanly, streams go on, a rollback harms nobody', async () => {
    await serve('quotes', ['1.0.0', '2.0.0']);
    const plan = { kind: 'bluegreen', from: '1.0.0', to: '2.0.0', drain: '1s' };
    await order('quotes/rollout', plan);
    await comesTo('quotes', 'stage');
    const agents = await Promise.all(
      doors('quotes').map(async ({ url, tool }) => {
        const agent = await connectAgent(url, 'legacy');
        expect(await callText(agent, tool)).to.equal('1.0.0');
        return { agent, url, tool };
      }),
    );
    await openStreams('quotes');
    await unharmed('quotes', async () => {
      await order('quotes/rollout/switch');
      await comesTo('quotes', 'switch');
      await order('quotes/rollout/finish');
      await comesTo('quotes', 'retire');
    });
    expect((await statusOf('quotes')).next.why).to.equal('1.0.0 is retired.');
    for (const { agent, url, tool } of agents) {
      const told = await callText(agent, tool).catch((error: unknown) => String(error));
      expect(told, url).to.include('"code":-32001').and.include('Session not found');
      await agent.close();
      const anew = await connectAgent(url, 'legacy');
      expect(await callText(anew, tool), url).to.equal('2.0.0');
      await anew.close();
    }
    expect(cut()).to.deep.equal([]);
    await answered('quotes', '1.0.0');
    await unharmed('quotes', async () => {
      await order('quotes/rollout/rollback');
      await comesTo('quotes', 'rollback');
    });
    for (const { url, tool } of doors('quotes')) {
      const anew = await connectAgent(url, 'legacy');
      expect(await callText(anew, tool)).to.equal('1.0.0');
      await anew.close();
    }
  });

  it('an Envoy that does not answer holds the rollout at the other replica too', async () => {
    await serve('tariffs', ['1.0.0', '2.0.0']);
    const plan = { kind: 'bluegreen', from: '1.0.0', to: '2.0.0', drain: '3s' };
    await order('tariffs/rollout', plan);
    await comesTo('tariffs', 'stage');
    const [near, far] = machines.both;
    far.signalEnvoy('SIGSTOP');
    try {
      await order('tariffs/rollout/switch');
      await order('tariffs/rollout/finish');
      await eventually('the drain is over, and nothing retired', async () => {
        const { next } = await statusOf('tariffs', near);
        expect(next.why).to.equal('The share of 100 % is not acknowledged by edge-2.');
        return true;
      });
    } finally {
      far.signalEnvoy('SIGCONT');
    }
    await comesTo('tariffs', 'retire');
  });

  it('a version whose last instance dies gets nothing, and the rollout pauses', async () => {
    await serve('ledger', ['1.0.0', '2.0.0'], true);
    const canary = { from: '1.0.0', to: '2.0.0', steps: [50], every: '1h', ...limits };
    await order('ledger/rollout', canary);
    await comesTo('ledger', 'start');
    await servers.get('ledger@2.0.0')?.stop();
    await comesTo('ledger', 'pause');
    const { rollout, next } = await statusOf('ledger');
    expect(rollout.events.at(-1)).to.deep.include({ who: 'mcpx', to: 'paused', share: 50 });
    expect(next.why).to.include('No instance of 2.0.0 passes its checks');
    for (const { url, tool } of doors('ledger'))
      for (let call = 0; call < 20; call++)
        expect(await (await postCall(url, tool)).text()).to.include('"text":"1.0.0"');
    await order('ledger/rollout/abort');
  });

  /** Streams that a retired version goes on with are heard to their end. */
  async function answered(service: string, version: string): Promise<void> {
    const url = servers.get(`${service}@${version}`)?.url ?? '';
    await (await postCall(url, 'halt')).text();
    const marches = streams.filter(({ what }) => what.startsWith('march'));
    await eventually('every march has ended', () => marches.every(({ ended }) => ended()));
    for (const { what, text, ended } of marches) {
      expect(text(), what).to.include(`"text":"${version}"`);
      expect(ended(), what).to.equal('it ended');
    }
  }

  /** Calls without a session, at every door. */
  async function unharmed(service: string, happens: () => Promise<void>): Promise<void> {
    const stateless = startTraffic(doors(service), { sessions: 0 });
    await stateless.round();
    await happens();
    await stateless.round();
    await stateless.stop();
    expect(stateless.failures).to.deep.equal([]);
  }
});
