/** Rollouts with everything real: two replicas on Consul, Envoy, and servers of two versions. */
import { expect } from 'chai';
import type { Client } from '@modelcontextprotocol/client';
import { heldToken } from '../../src/admin_client/local_token.js';
import { rolloutHistory, rolloutStatus } from '../../src/admin/rollout_schemas.js';
import { callText, connectAgent, postCall } from './parts/agent.js';
import { startConsul, type RealConsul } from './parts/consul.js';
import { underLoad } from './parts/load.js';
import { eventually, startMcpx, type Mcpx } from './parts/mcpx.js';
import { register } from './parts/registering.js';
import { startReplicas, type Fleet, type Replica } from './parts/replicas.js';
import { startServer, stopServers, type ReferenceOptions } from './parts/servers.js';

const [old, fresh] = ['1.0.0', '2.0.0'];

/** Latencies on a busy machine are no sign of anything. */
const limits = { maxErrorRate: 0.05, maxP99: 50, minCalls: 20 };
const quick = { kind: 'canary', to: fresh, steps: [20, 60, 100], every: '1s', ...limits };

describe('a rollout', function () {
  this.timeout(90_000);
  let consul: RealConsul;
  let fleet: Fleet;

  before(async () => {
    consul = await startConsul();
    fleet = await startReplicas(consul);
  });
  after(async () => {
    await fleet.stop();
    await consul.stop();
  });
  afterEach(async () => {
    await stopServers();
  });

  async function send(replica: Replica, path: string, body?: object): Promise<Response> {
    return fetch(`${replica.admin}/v1/services/${path}`, {
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
      headers: { 'content-type': 'application/json', 'x-mcpx-user': 'ana' },
    });
  }

  async function done(path: string, body: object): Promise<void> {
    const answer = await send(fleet.replicas[0], path, body);
    if (!answer.ok) throw new Error(await answer.text());
  }

  async function statusOf(service: string) {
    const answer = await send(fleet.replicas[0], `${service}/rollout`);
    return rolloutStatus.parse(await answer.json());
  }

  const phaseOf = async (service: string) => (await statusOf(service)).rollout.phase;

  const comesTo = (service: string, phase: string) =>
    eventually(
      `the rollout of ${service} is ${phase}`,
      async () => {
        const { rollout, next } = await statusOf(service);
        if (rollout.phase !== phase) throw new Error(`it is ${rollout.phase}: ${next.why}`);
        return true;
      },
      45_000,
    );

  /** Both versions in Consul, the old one serving; each answers `whoami` with its version. */
  async function twoVersions(
    service: string,
    changes: ReferenceOptions = {},
    ofTheNew: ReferenceOptions = {},
  ): Promise<void> {
    const add = async (version: string, options: ReferenceOptions) => {
      const { port } = await startServer({ name: service, answer: version, ...options });
      await consul.register({
        ...{ ID: `${service}-${version}`, Name: service, Address: '127.0.0.1', Port: port },
        ...{ Tags: ['mcp'], Meta: { 'mcp-version': version } },
      });
    };
    await Promise.all([add(old, changes), add(fresh, { ...changes, ...ofTheNew })]);
    await eventually('Envoy carries calls to it', async () => {
      const { status } = await postCall(`${fleet.gateway}/mcp/${service}`, 'whoami');
      return status !== 404 && status < 500;
    });
    // Until both were asked what they offer, and every replica knows it.
    for (const replica of fleet.replicas)
      await eventually('a rollout may begin', async () => {
        const plan = { ...quick, from: old };
        const answer = await send(replica, `${service}/rollout?dryRun=true`, plan);
        if (!answer.ok) throw new Error(await answer.text());
        return true;
      });
  }

  const whoami = async (service: string, path = service) => {
    const answer = await postCall(`${fleet.gateway}/mcp/${path}`, 'whoami');
    return /"text":"([^"]*)"/.exec(await answer.text())?.[1];
  };

  const served = (service: string, version: string) =>
    eventually(`all calls are served by ${version}`, async () => {
      for (let call = 0; call < 20; call++) if ((await whoami(service)) !== version) return false;
      return true;
    });

  /** Nothing that agents do may fail because of `happens`. */
  async function unharmed(service: string, happens: () => Promise<void>): Promise<void> {
    const { done: calls, failures } = await underLoad(`${fleet.gateway}/mcp/${service}`, happens);
    expect(failures).to.deep.equal([]);
    expect(calls).to.be.greaterThan(0);
  }

  it('canary: a good version is promoted by itself, and no session moves', async () => {
    await twoVersions('claims', { era: 'legacy' });
    const url = `${fleet.gateway}/mcp/claims`;
    const sessions = new Map<Client, string>();
    const begin = async () => {
      const agent = await connectAgent(url, 'legacy');
      sessions.set(agent, await callText(agent, 'whoami'));
    };
    await done('claims/rollout', { ...quick, from: old });
    let calls = 0;
    while ((await statusOf('claims')).open) {
      await begin();
      for (const [agent, version] of [...sessions].slice(-15)) {
        expect(await callText(agent, 'whoami')).to.equal(version);
        calls += 1;
      }
      if (calls > 20_000) throw new Error((await statusOf('claims')).next.why);
    }
    const { rollout } = await statusOf('claims');
    expect(rollout.events.map(({ what }) => what)).to.deep.equal([
      ...['start', 'advance', 'advance', 'promote'],
    ]);
    for (const [agent, version] of sessions)
      expect(await callText(agent, 'whoami'), 'to the end').to.equal(version);
    expect(new Set(sessions.values()), 'both have sessions').to.have.property('size', 2);
    const newcomer = await connectAgent(url, 'legacy');
    expect(await callText(newcomer, 'whoami')).to.equal(fresh);
    await Promise.all([newcomer, ...sessions.keys()].map((agent) => agent.close()));
  });

  it('canary: a version whose tools fail is aborted by itself, and the reason kept', async () => {
    await twoVersions('quotes', {}, { faulty: true });
    await done('quotes/rollout', { ...quick, from: old, every: '10m' });
    await unharmed('quotes', () => comesTo('quotes', 'aborted'));
    const answer = await send(fleet.replicas[1], 'quotes/rollouts');
    const { rollouts } = rolloutHistory.parse(await answer.json());
    expect(rollouts[0]?.events.at(-1)).to.deep.include({ who: 'mcpx', what: 'abort', share: 0 });
    expect(rollouts[0]?.events.at(-1)?.why).to.match(/100 % of \d+ calls .* failed \(tool \d+\)/);
    await served('quotes', old);
  });

  for (const [how, changes, why] of [
    ['fails', { faulty: true }, 'tool'],
    ['hangs', { hangs: true }, 'timeout'],
  ] as const)
    it(`canary: ${how} every tool call of a legacy session, is 100 % failed`, async () => {
      const service = `legacy-${how}`;
      await twoVersions(service, { era: 'legacy' }, changes);
      await done(`${service}/rollout`, { ...quick, from: old, every: '10m' });
      // Each says hello and lists the tools before its call, and that works well.
      while ((await statusOf(service)).open) {
        const agent = await connectAgent(`${fleet.gateway}/mcp/${service}`, 'legacy');
        await agent.listTools();
        const impatient = { timeout: 300 };
        await agent.callTool({ name: 'whoami' }, impatient).catch(() => undefined);
        await agent.close();
      }
      const { events } = (await statusOf(service)).rollout;
      expect(events.at(-1)?.why).to.match(
        new RegExp(`100 % of \\d+ calls .* failed \\(${why} \\d+\\)`),
      );
    });

  it('canary: goes on when every control plane is killed in the middle', async () => {
    await twoVersions('ledger');
    await done('ledger/rollout', { ...quick, from: old });
    await unharmed('ledger', async () => {
      await eventually('it is at its second step', async () => {
        return (await statusOf('ledger')).rollout.step === 1;
      });
      await Promise.all(fleet.replicas.map((replica) => replica.end('SIGKILL')));
      for (const replica of fleet.replicas) replica.start();
      for (const replica of fleet.replicas) await eventually('it is back', () => replica.ready());
      await comesTo('ledger', 'promoted');
    });
    const { events } = (await statusOf('ledger')).rollout;
    expect(events.map(({ what }) => what)).to.deep.equal([
      ...['start', 'advance', 'advance', 'promote'],
    ]);
    await served('ledger', fresh);
  });

  it('of two operators at two replicas one begins it, the other is told', async () => {
    await twoVersions('cover');
    const orders = fleet.replicas.map((replica) =>
      send(replica, 'cover/rollout', { ...quick, from: old }),
    );
    const answers = await Promise.all(orders);
    expect(answers.map(({ status }) => status).sort()).to.deep.equal([201, 409]);
    expect(await phaseOf('cover')).to.equal('running');
    await done('cover/rollout/abort', {});
  });

  it('blue-green: staged, switched, rolled back, switched and finished, unnoticed', async () => {
    await twoVersions('policy');
    await unharmed('policy', async () => {
      await done('policy/rollout', { kind: 'bluegreen', to: fresh, from: old });
      await comesTo('policy', 'staged');
      await eventually('the new version is reached by its own path', async () => {
        return (await whoami('policy', `policy@${fresh}`)) === fresh;
      });
      await served('policy', old);
      await done('policy/rollout/switch', {});
      await served('policy', fresh);
      await done('policy/rollout/rollback', {});
      await served('policy', old);
      await done('policy/rollout/switch', {});
      await served('policy', fresh);
      await done('policy/rollout/finish', {});
      await comesTo('policy', 'finished');
      await served('policy', fresh);
    });
  });
});

describe('a rollout of versions that Envoy checks, in servers that guard their Host', () => {
  let mcpx: Mcpx;
  before(async () => {
    mcpx = await startMcpx();
  });
  after(async () => {
    await mcpx.stop();
    await stopServers();
  });

  it('serves the staged version at its own path, and to whom a rule matches', async () => {
    for (const version of [old, fresh]) {
      const { url } = await startServer({ name: 'claims', era: 'modern', answer: version });
      await register(mcpx, { name: 'claims', version, url });
    }
    const order = async (path: string, body: object) => {
      const answer = await fetch(`${mcpx.admin}/v1/services/claims/${path}`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${await heldToken(mcpx.data, 'cli')}`,
        },
        body: JSON.stringify(body),
      });
      if (!answer.ok) throw new Error(await answer.text());
    };
    const whoami = async (path: string, headers: Record<string, string> = {}) => {
      const answer = await postCall(`${mcpx.gateway}/mcp/${path}`, 'whoami', headers);
      return /"text":"([^"]*)"/.exec(await answer.text())?.[1];
    };
    await eventually('it is staged', async () => {
      await order('rollout', { kind: 'bluegreen', from: old, to: fresh });
      return true;
    });
    await eventually('it is reached', async () => (await whoami(`claims@${fresh}`)) === fresh);
    expect(await whoami('claims')).to.equal(old);
    await order('rollout/abort', {});
    const match = [{ header: 'x-team', value: 'qa' }];
    await eventually('callers are matched', async () => {
      await order('rollout', { ...quick, from: old, steps: [1, 100], every: '10m', match });
      return true;
    });
    await eventually('they are served', async () => {
      return (await whoami('claims', { 'x-team': 'qa' })) === fresh;
    });
  });
});
