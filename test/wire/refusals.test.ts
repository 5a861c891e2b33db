/** What Envoys refuse, no other is sent; everything else goes on. */
import { expect } from 'chai';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { silentLog } from '../../src/log.js';
import { keptRefusals } from '../../src/xds/kept_refusals.js';
import { edsCluster, secret } from '../unit/snapshot/messages.js';
import { envoyNode } from './client.js';
import { badMark, fleet, PickyEnvoy } from './picky_envoy.js';
import { startStage, valueOf, type Stage } from './stage.js';

describe('a form that is refused', () => {
  let stage: Stage;
  let folder: string;

  const begin = async () => startStage({ refusals: keptRefusals(folder, silentLog) });
  const envoy = (id: string, dislikes?: (mark: number) => boolean) =>
    new PickyEnvoy(stage.connect(), id, dislikes).start();
  const publish = (marks: Readonly<Record<string, number>>) => stage.publish(fleet(marks));
  const holds = async (one: PickyEnvoy, marks: Readonly<Record<string, number>>) =>
    stage.nodesAre(() => {
      const entries = Object.entries(marks);
      return (
        one.held.size === entries.length &&
        entries.every(([name, mark]) => one.held.get(name) === mark)
      );
    });
  const settled = async (id: string) =>
    stage.nodesAre(() => {
      const node = stage.server.nodes.list().find((each) => each.id === id);
      return node?.kinds.cluster?.settled === true;
    });
  const problems = () => stage.server.nodes.problems();

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mcpx-refusals-'));
    stage = await begin();
  });
  afterEach(async () => {
    await stage.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('reaches no Envoy that starts later; its last good form does (points 29, 30)', async () => {
    publish({ a: 1, b: 1 });
    const first = envoy('edge-1');
    await holds(first, { a: 1, b: 1 });
    publish({ a: badMark, b: 2, c: 1 });
    await holds(first, { a: 1, b: 2, c: 1 });
    await settled('edge-1');
    const second = envoy('edge-2');
    await holds(second, { a: 1, b: 2, c: 1 });
    expect(second.refusals).to.equal(0);
  });

  it('leaves a service out that has no good form yet, and publishes the rest', async () => {
    publish({ a: 1, b: 1, bad: badMark });
    const first = envoy('edge-1');
    await holds(first, { a: 1, b: 1 });
    await settled('edge-1');
    const second = envoy('edge-2');
    await holds(second, { a: 1, b: 1 });
    expect(second.refusals).to.equal(0);
  });

  it('is one problem, however many refuse it: who, what, why, what to do (point 27)', async () => {
    publish({ a: 1, b: 1 });
    const both = [envoy('edge-1'), envoy('edge-2')];
    for (const each of both) await holds(each, { a: 1, b: 1 });
    publish({ a: badMark, b: 1 });
    await stage.nodesAre(() => both.every(({ refusals }) => refusals === 1));
    await stage.nodesAre(() => problems().some(({ message }) => message.includes('2 Envoys')));
    const [problem, ...more] = problems();
    expect(more).to.be.empty;
    expect(problem?.code).to.equal('resource_refused');
    expect(problem?.subject).to.deep.equal({ service: 'a', path: 'cluster.a' });
    expect(problem?.message)
      .to.contain('"edge-1", "edge-2"')
      .and.contain('no such extension')
      .and.contain('last good form stays');
    expect(await valueOf(stage.metrics, 'mcpx_xds_known_refused')).to.equal(1);
  });

  it('is gone everywhere once it is mended, without a restart (point 28)', async () => {
    publish({ a: 1, b: 1 });
    const first = envoy('edge-1');
    await holds(first, { a: 1, b: 1 });
    publish({ a: badMark, b: 1 });
    await stage.nodesAre(() => problems().length === 1);
    publish({ a: 2, b: 1 });
    await holds(first, { a: 2, b: 1 });
    expect(problems()).to.be.empty;
    publish({ a: badMark, b: 2 });
    await holds(first, { a: 2, b: 2 });
    await settled('edge-1');
    expect(first.refusals, 'it is still known').to.equal(1);
    expect(problems()).to.have.length(1);
  });

  it('is known after a restart, and so is its last good form (point 29)', async () => {
    publish({ a: 1, b: 1, c: 1 });
    const first = envoy('edge-1');
    await holds(first, { a: 1, b: 1, c: 1 });
    publish({ a: badMark, b: badMark, c: 2, d: badMark });
    await holds(first, { a: 1, b: 1, c: 2 });
    await stage.nodesAre(() => problems().length === 3);
    await stage.stop();
    stage = await begin();
    publish({ a: badMark, b: 2, c: 2, d: badMark });
    const fresh = envoy('edge-2');
    await holds(fresh, { a: 1, b: 2, c: 2 });
    expect(fresh.refusals).to.equal(0);
    expect(problems().map(({ subject }) => subject.path)).to.deep.equal(['cluster.a', 'cluster.d']);
  });

  it('takes no service from one that comes back with an older form of it', async () => {
    publish({ a: 1, b: 1, c: badMark });
    const first = envoy('edge-1');
    await holds(first, { a: 1, b: 1 });
    await stage.nodesAre(() => problems().length === 1);
    const back = stage.connect();
    const initial_resource_versions = { a: 'old', b: 'old', c: 'old' };
    back.begin('cluster', { node: envoyNode('back'), initial_resource_versions });
    const response = await back.next();
    expect(response.removed_resources ?? []).to.be.empty;
    back.refuse(response, 'no such extension');
    const next = await back.next();
    expect(next.removed_resources ?? []).to.be.empty;
  });

  it('is told in the words of Envoy, without the bytes of a secret (point 42)', async () => {
    stage.publish({ secret: [secret('own', 'the key')] });
    const client = stage.connect();
    client.begin('secret', { resource_names_subscribe: ['own'] });
    const printed = 'Unable to unpack: type_url: "Secret" value: "the key"';
    client.refuse(await client.next(), printed);
    await stage.nodesAre(() => problems().length === 1);
    const told = JSON.stringify([problems(), stage.server.nodes.list()]);
    expect(told).to.contain('Unable to unpack').and.not.contain('the key');
  });

  it('by one that refuses everything is no such form (point 32)', async () => {
    publish({ a: 1, b: 1 });
    const hostile = envoy('hostile', () => true);
    await stage.nodesAre(() => hostile.refusals >= 3);
    const good = envoy('edge-1');
    await holds(good, { a: 1, b: 1 });
    publish({ a: 2, b: 1 });
    await holds(good, { a: 2, b: 1 });
    const later = envoy('edge-2');
    await holds(later, { a: 2, b: 1 });
    expect(await valueOf(stage.metrics, 'mcpx_xds_known_refused')).to.equal(0);
    expect(problems().every(({ subject }) => subject.node === 'hostile')).to.equal(true);
  });

  describe('by one while others are still asked', () => {
    const known = async () => valueOf(stage.metrics, 'mcpx_xds_known_refused');
    let hasty: PickyEnvoy;
    let slow: readonly PickyEnvoy[];

    /** All hold the first form of `a`; the second is refused by one, and the others think. */
    const ask = async (mark: number) => {
      slow = ['edge-1', 'edge-2'].map((id) => envoy(id));
      hasty = envoy('hasty', (each) => each >= 2);
      for (const each of [hasty, ...slow]) await holds(each, { a: 1, b: 1 });
      for (const each of slow) await settled(each.id);
      await settled('hasty');
      for (const each of slow) each.think();
      publish({ a: mark, b: 1 });
      await stage.nodesAre(() => hasty.refusals === 1 && problems().length === 1);
    };

    beforeEach(() => publish({ a: 1, b: 1 }));

    it('is withheld from nobody, and no verdict when they take it', async () => {
      await ask(2);
      expect(await known()).to.equal(0);
      for (const each of slow) each.answer();
      for (const each of slow) await holds(each, { a: 2, b: 1 });
      await holds(envoy('later'), { a: 2, b: 1 });
      expect(await known()).to.equal(0);
      expect(problems().map(({ subject }) => subject.node)).to.deep.equal(['hasty']);
    });

    it('is one when all refuse it', async () => {
      await ask(badMark);
      for (const each of slow) each.answer();
      await stage.nodesAre(() => problems()[0]?.message.includes('3 Envoys') === true);
      expect(await known()).to.equal(1);
      const later = envoy('later');
      await holds(later, { a: 1, b: 1 });
      expect(later.refusals).to.equal(0);
    });

    it('is one when they leave without an answer', async () => {
      await ask(badMark);
      for (const each of slow) each.leave();
      await stage.nodesAre(() => stage.server.nodes.list().length === 1);
      expect(await known()).to.equal(1);
      await holds(envoy('later'), { a: 1, b: 1 });
    });

    it('is one when they are late', async () => {
      await stage.stop();
      stage = await startStage({ limits: { answerMs: 200 } });
      publish({ a: 1, b: 1 });
      await ask(badMark);
      await stage.nodesAre(() => problems()[0]?.message.includes('last good') === true);
      expect(await known()).to.equal(1);
    });
  });

  it('that another takes goes to all but the one that refused it', async () => {
    publish({ a: 1, b: 1 });
    const [fussy, easy] = [envoy('fussy'), envoy('easy', () => false)];
    for (const each of [fussy, easy]) await holds(each, { a: 1, b: 1 });
    publish({ a: badMark, b: 1 });
    await holds(easy, { a: badMark, b: 1 });
    await stage.nodesAre(() => fussy.refusals === 1);
    const later = envoy('later', () => false);
    await holds(later, { a: badMark, b: 1 });
    await stage.nodesAre(() => problems()[0]?.subject.node === 'fussy');
    expect(fussy.all).to.deep.equal({ a: 1, b: 1 });
  });

  it('by one version of Envoy may be tried by another', async () => {
    publish({ a: 1, b: 1 });
    const first = envoy('edge-1');
    await holds(first, { a: 1, b: 1 });
    publish({ a: badMark, b: 1 });
    await stage.nodesAre(() => problems().length === 1);
    const newer = stage.connect();
    const user_agent_build_version = { version: { major_number: 1, minor_number: 41 } };
    newer.begin('cluster', { node: { ...envoyNode('newer'), user_agent_build_version } });
    const response = await newer.next();
    const versions = (response.resources ?? []).map(({ version }) => version);
    expect(versions).to.include(stage.edge.value?.resources.cluster.get('a')?.version);
  });
});

describe('a client that refuses the same again and again', () => {
  it('is news once, and counted', async () => {
    const lines: Record<string, unknown>[] = [];
    const destination = new Writable({
      write(chunk: Buffer, _encoding, done) {
        lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
        done();
      },
    });
    const stage = await startStage({ log: pino({ level: 'debug' }, destination) });
    try {
      const client = stage.connect();
      client.begin('cluster');
      for (let round = 0; round < 5; round++) {
        client.refuse(await client.next(), round < 4 ? 'not this' : 'nor this');
        client.ask('cluster', { resource_names_subscribe: ['a'] });
      }
      await client.next();
      const told = lines.filter(({ msg }) => String(msg).startsWith('an Envoy refused'));
      expect(told.map(({ level, complaint, times }) => [level, complaint, times])).to.deep.equal([
        [40, 'not this', 1],
        [20, 'not this', 2],
        [20, 'not this', 3],
        [20, 'not this', 4],
        [40, 'nor this', 1],
      ]);
    } finally {
      await stage.stop();
    }
  });
});

describe('the lag of a node', () => {
  it('runs from the change until the node holds it, and its late answer is shown', async () => {
    let now = 1_000_000;
    const stage = await startStage({ clock: { now: () => now }, limits: { answerMs: 40 } });
    try {
      const client = stage.connect();
      const node = () => stage.server.nodes.list()[0];
      client.begin('cluster');
      client.acknowledge(await client.next());
      await stage.nodesAre(() => node()?.kinds.cluster?.settled === true);
      await stage.nodesAre(() => node()?.lagMs === 0);
      stage.publish({ cluster: [edsCluster('a', 1)] });
      const response = await client.next();
      now += 5_000;
      await stage.nodesAre(() => node()?.kinds.cluster?.overdue === true);
      expect(node()?.lagMs).to.equal(5_000);
      client.acknowledge(response);
      await stage.nodesAre(() => node()?.kinds.cluster?.settled === true);
      await stage.nodesAre(() => node()?.lagMs === 0);
      expect(node()?.kinds.cluster?.overdue).to.equal(false);
    } finally {
      await stage.stop();
    }
  });
});
