/** What Envoys refuse at one replica of the control plane, and what becomes of it at another. */
import { expect } from 'chai';
import { isDeepStrictEqual } from 'node:util';
import { envoyNode } from './client.js';
import { badMark, fleet, PickyEnvoy } from './picky_envoy.js';
import { startStage, type Stage } from './stage.js';

describe('a form that is refused, at two replicas that are told the same', () => {
  let replicas: readonly [Stage, Stage];

  const envoy = (replica: Stage, id: string) => new PickyEnvoy(replica.connect(), id).start();
  const publish = (marks: Readonly<Record<string, number>>) =>
    replicas.forEach((replica) => replica.publish(fleet(marks)));
  const holds = async (replica: Stage, one: PickyEnvoy, marks: Readonly<Record<string, number>>) =>
    replica.nodesAre(() => isDeepStrictEqual(sorted(one.all), marks));
  const sorted = (marks: Readonly<Record<string, number>>) =>
    Object.fromEntries(Object.entries(marks).sort());
  const versionOf = (replica: Stage, name: string) =>
    replica.edge.value?.resources.cluster.get(name)?.version ?? '';

  beforeEach(async () => {
    replicas = [await startStage(), await startStage()];
    publish({ a: 1, b: 1 });
  });
  afterEach(async () => Promise.all(replicas.map((replica) => replica.stop())));

  it('keeps its last good form at both, and goes once mended (points 28, 29)', async () => {
    const [here, there] = replicas;
    const first = envoy(here, 'edge-1');
    await holds(here, first, { a: 1, b: 1 });
    publish({ a: badMark, b: 2, c: 1 });
    await holds(here, first, { a: 1, b: 2, c: 1 });
    const fresh = envoy(there, 'edge-2');
    await holds(there, fresh, { a: 1, b: 2, c: 1 });
    expect(fresh.refusals, 'it told this replica too').to.be.greaterThan(0);
    const next = envoy(there, 'edge-3');
    await holds(there, next, { a: 1, b: 2, c: 1 });
    expect(next.refusals).to.equal(0);
    publish({ a: 2, b: 2, c: 1 });
    for (const each of [fresh, next]) await holds(there, each, { a: 2, b: 2, c: 1 });
    await holds(here, first, { a: 2, b: 2, c: 1 });
    expect(there.server.nodes.problems()).to.be.empty;
  });

  it('is found out at one that nobody was at, also after a mend that failed', async () => {
    const [, there] = replicas;
    for (const a of [badMark, badMark + 1]) publish({ a, b: 1 });
    const isBad = (mark: number) => mark >= badMark;
    const fresh = new PickyEnvoy(there.connect(), 'edge-1', isBad).start();
    await holds(there, fresh, { a: 1, b: 1 });
    await there.nodesAre(() => there.server.nodes.list()[0]?.lagMs === 0);
    const next = new PickyEnvoy(there.connect(), 'edge-2', isBad).start();
    await holds(there, next, { a: 1, b: 1 });
    expect(next.refusals).to.equal(0);
  });

  it('takes nothing from an Envoy that comes over with the last good form', async () => {
    const [, there] = replicas;
    const good = { a: versionOf(there, 'a'), b: versionOf(there, 'b') };
    publish({ a: badMark, b: 1 });
    const back = there.connect();
    back.begin('cluster', { node: envoyNode('edge-1'), initial_resource_versions: good });
    const response = await back.next();
    expect(response.resources?.map(({ name }) => name)).to.deep.equal(['a']);
    back.refuse(response, 'no such extension');
    await there.nodesAre(() => there.server.nodes.problems().length === 1);
    const fresh = envoy(there, 'edge-2');
    await holds(there, fresh, { a: 1, b: 1 });
    expect(fresh.refusals, 'it was asked').to.equal(0);
    publish({ a: 2, b: 1 });
    const mended = await back.next();
    expect(mended.removed_resources ?? []).to.be.empty;
    expect(mended.resources?.map(({ version }) => version)).to.deep.equal([versionOf(there, 'a')]);
    await holds(there, fresh, { a: 2, b: 1 });
  });
});
