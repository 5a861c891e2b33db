import { status } from '@grpc/grpc-js';
import { expect } from 'chai';
import { BareClient } from './bare_client.js';
import { summary } from './client.js';
import { startStage, type Stage } from './stage.js';

describe('a control plane that stops', () => {
  let stage: Stage;
  afterEach(async () => stage.stop());

  it('says so on every connection before it ends the streams on it (point 39)', async () => {
    stage = await startStage();
    const client = stage.keep(new BareClient(stage.server.port));
    await client.begin();
    await stage.server.stop();
    await client.closed;
    expect(client.events).to.deep.equal(['goaway', `ended with ${status.UNAVAILABLE}`, 'closed']);
  });

  it('ends many streams one after the other, all within its deadline (point 39)', async () => {
    stage = await startStage();
    const clients = Array.from({ length: 50 }, () => stage.connect());
    for (const [index, client] of clients.entries()) client.begin('cluster', {}, `edge-${index}`);
    await Promise.all(clients.map((client) => client.next()));
    const left: number[] = [];
    stage.server.nodes.revision.subscribe(() => left.push(stage.server.nodes.list().length));
    await stage.server.stop(2_000);
    const codes = await Promise.all(clients.map(async (client) => (await client.ended).code));
    expect(new Set(codes)).to.deep.equal(new Set([status.UNAVAILABLE]));
    expect(left.at(-1)).to.equal(0);
  });

  it('sends those away, too, who wait to be let in (point 39)', async () => {
    const limits = { admittedBurst: 1, admittedPerSecond: 0.001, admissionQueue: 1 };
    stage = await startStage({ limits });
    const inside = stage.connect();
    inside.begin('cluster');
    await inside.next();
    const two = [stage.connect(), stage.connect()];
    for (const [index, client] of two.entries()) client.begin('cluster', {}, `late-${index}`);
    const refused = await Promise.race(two.map(async ({ ended }) => ended));
    expect(refused.code, 'so the other one waits').to.equal(status.RESOURCE_EXHAUSTED);
    void stage.server.stop(60_000);
    const codes = await Promise.all(two.map(async ({ ended }) => (await ended).code));
    expect(codes).to.have.members([status.RESOURCE_EXHAUSTED, status.UNAVAILABLE]);
  });

  it('is left, too, by whom it has nothing to tell: another replica may (point 36)', async () => {
    stage = await startStage({ limits: { answerMs: 40 } });
    stage.edge.set(undefined);
    const client = stage.connect();
    client.begin('cluster');
    const { code, details } = await client.ended;
    expect(code).to.equal(status.UNAVAILABLE);
    expect(details).to.include('has not heard its registries yet');
    expect(client.unread).to.equal(0);
  });

  it('waits for nobody beyond its deadline (point 39)', async () => {
    stage = await startStage();
    const client = stage.connect();
    client.begin('cluster');
    await client.next();
    client.stopReading();
    await stage.server.stop(200);
    expect(stage.server.nodes.list()).to.deep.equal([]);
  });

  it('is found again where it was, and re-sends nothing (points 15, 39)', async () => {
    stage = await startStage();
    const client = stage.connect();
    client.begin('cluster');
    const { resources = [] } = await client.next();
    const versions = Object.fromEntries(
      resources.map(({ name = '', version = '' }) => [name, version]),
    );
    await stage.server.stop();
    stage = await startStage();
    const again = stage.connect();
    again.begin('cluster', { initial_resource_versions: versions });
    again.ask('listener');
    expect(summary(await again.next())).to.equal('listener +gateway');
    expect(again.unread).to.equal(0);
  });

  it('sends connections elsewhere when they are old enough (point 39)', async () => {
    stage = await startStage({ limits: { connectionAgeMs: 60, connectionGraceMs: 30 } });
    const client = stage.keep(new BareClient(stage.server.port));
    await client.begin();
    await client.closed;
    expect(client.events[0]).to.equal('goaway');
    await stage.nodesAre(() => stage.server.nodes.list().length === 0);
  });
});
