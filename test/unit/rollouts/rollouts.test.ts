import { expect } from 'chai';
import { catalogueOf, needing, readingOf, serviceOf } from '../fleet/registered.js';
import { canaryPlan, limits, minute } from '../rollout/rollouts.js';
import type { Action } from '../../../src/rollout/advance.js';
import { felt, twoVersions, World } from './stage.js';

const start: Action = { what: 'start', plan: canaryPlan, why: '' };
const stage: Action = { what: 'stage', plan: { to: '2.0.0', limits }, why: '' };

const well = { '1.0.0': felt(2_000), '2.0.0': felt(1_000) };
const failing = { '1.0.0': felt(2_000), '2.0.0': felt(100, 100) };

describe('the loop that carries rollouts on', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });
  afterEach(() => world.end());

  it('runs a good canary through its steps to the end, by itself', async () => {
    const replica = world.replica();
    expect(await replica.does(start)).to.deep.equal([]);
    world.signals = well;
    for (const share of [5, 50, 100]) {
      const { steps, step } = world.store.current;
      expect(steps[step]).to.equal(share);
      await replica.looks();
      expect(world.store.current.step, 'not before its time').to.equal(step);
      world.now += canaryPlan.everyMs;
      await replica.looks();
    }
    expect(world.store.current.phase).to.equal('promoted');
    expect(world.store.moves).to.deep.equal(['start', 'advance', 'advance', 'promote']);
    const [begun, ...others] = world.store.current.events;
    expect(begun?.who).to.equal('ana');
    expect(others.map(({ who }) => who)).to.deep.equal(['mcpx', 'mcpx', 'mcpx']);
  });

  it('aborts a bad one at once, and keeps why', async () => {
    const replica = world.replica();
    await replica.does(start);
    world.signals = failing;
    await replica.looks();
    expect(world.store.current.phase).to.equal('aborted');
    expect(world.store.current.events.at(-1)?.why).to.match(/100 % of 100 calls .*\(tool 100\)/);
  });

  it('rolls a switched bluegreen back when its new version is bad', async () => {
    const replica = world.replica();
    await replica.does(stage);
    await replica.does({ what: 'switch', why: '' });
    world.signals = failing;
    await replica.looks();
    expect(world.store.current.phase).to.equal('staged');
  });

  it('pauses when no instance of the new version passes, and says so', async () => {
    const replica = world.replica();
    await replica.does(start);
    const [service] = world.services.value;
    const instances = service!.instances.map((each) =>
      each.version === '2.0.0' ? { ...each, passing: false } : each,
    );
    world.services.set([{ ...service!, instances }]);
    await replica.looks();
    expect(world.store.current.phase).to.equal('paused');
    expect(replica.rollouts.status('claims')?.next.why).to.contain('No instance of 2.0.0 passes');
  });

  it('does nothing while the registry is not heard: shares stay', async () => {
    const replica = world.replica();
    await replica.does(start);
    world.hear({ state: 'lost', reason: 'connection refused' });
    const before = world.store.document();
    for (const signals of [well, failing]) {
      world.signals = signals;
      world.now += 60 * minute;
      await replica.looks();
    }
    expect(world.store.document()).to.deep.equal(before);
    expect(replica.rollouts.status('claims')?.next.why).to.contain('not heard');
    world.hear({ state: 'heard' });
    await replica.looks();
    expect(world.store.current.phase).to.equal('aborted');
  });

  it('waits for an Envoy that refuses or does not acknowledge the share', async () => {
    const replica = world.replica();
    await replica.does(start);
    world.signals = well;
    world.now += canaryPlan.everyMs;
    world.lagging = [{ node: 'edge-1', refused: true }];
    await replica.looks();
    expect(world.store.moves).to.deep.equal(['start']);
    const status = replica.rollouts.status('claims');
    expect(status?.next.why).to.contain('refused by edge-1');
    expect(status?.lagging).to.deep.equal(world.lagging);
    world.lagging = [];
    await replica.looks();
    expect(world.store.moves).to.deep.equal(['start', 'advance']);
  });

  it('of several replicas one takes each step, and none takes it twice', async () => {
    const replicas = [world.replica(), world.replica(), world.replica()];
    await replicas[0]!.does(start);
    world.signals = well;
    for (let look = 0; look < 5; look++) {
      world.now += canaryPlan.everyMs;
      await Promise.all(replicas.map((replica) => replica.looks()));
    }
    expect(world.store.moves).to.deep.equal([
      ...['start', 'advance', 'advance', 'promote', 'retire'],
    ]);
  });

  it('judges copies before any share, and then moves the endpoints alone', async () => {
    const reading = readingOf('look');
    world.services.set([twoVersions({ '1.0.0': reading, '2.0.0': reading })]);
    const replica = world.replica();
    const plan = { ...canaryPlan, mirror: 10 };
    expect(await replica.does({ what: 'start', plan, why: '' })).to.deep.equal([]);
    const { id, phase, step } = world.store.current;
    const seen = { id, phase, step };
    const action: Action = { what: 'advance', why: '', seen };
    const intent = { service: 'claims', action, who: 'mcpx', acceptBreaking: false };
    const next = replica.rollouts.proposed(intent);
    expect(next.ok && next.value.effects).to.deep.equal([
      { kind: 'endpoint', name: 'claims', change: 'changed' },
    ]);
    world.now += canaryPlan.everyMs;
    world.signals = { '1.0.0': felt(2_000), '2.0.0': felt(99) };
    await replica.looks();
    world.signals = well;
    await replica.looks();
    const { events } = world.store.current;
    expect(events.map(({ what, share }) => [what, share])).to.deep.equal([
      ['start', 0],
      ['advance', 5],
    ]);
  });

  it('promotes nothing while a dependant needs the old version, and writes nothing', async () => {
    const replica = world.replica();
    await replica.does(start);
    world.signals = well;
    for (const step of [1, 2]) {
      world.now += canaryPlan.everyMs;
      await replica.looks();
      expect(world.store.current.step).to.equal(step);
    }
    const [claims] = world.services.value;
    world.services.set([serviceOf(needing('bill@1.0.0', 'claims@^1')), claims!]);
    const { writes } = replica.registry;
    world.now += canaryPlan.everyMs;
    for (let look = 0; look < 3; look++) await replica.looks();
    expect(replica.registry.writes).to.equal(writes);
    const chain = 'bill@1.0.0 → claims@^1 (only 2.0.0)';
    expect(replica.rollouts.status('claims')?.next.why).to.contain(chain);
    expect((await replica.does({ what: 'promote', why: '' })).join()).to.contain(chain);
    world.services.set([serviceOf(needing('bill@1.0.1', 'claims@>=1')), claims!]);
    await replica.looks();
    expect(world.store.current.phase).to.equal('promoted');
  });

  it('retires the version that lost when it has drained, and lets it be brought back', async () => {
    const replica = world.replica();
    await replica.does({ ...start, plan: { ...canaryPlan, drainMs: minute } });
    await replica.does({ what: 'promote', why: '' });
    await replica.looks();
    const next = () => replica.rollouts.status('claims')?.next.why;
    expect(next()).to.equal('1.0.0 drains: 1 min to go, then its sessions end.');
    world.now += minute;
    await replica.looks();
    expect(next()).to.equal('1.0.0 is retired.');
    expect(world.store.current.events.at(-1)).to.deep.include({ who: 'mcpx', to: 'promoted' });
    expect(await replica.does({ what: 'rollback', why: '' })).to.deep.equal([]);
    world.now += minute;
    await replica.looks();
    expect(next()).to.equal('2.0.0 is retired.');
    expect(world.store.moves).to.deep.equal(['start', 'promote', 'retire', 'rollback', 'retire']);
  });

  it('answers an operator when the change has come back: the next one may follow', async () => {
    const replica = world.replica();
    world.registryDelays = true;
    expect(await replica.does(stage)).to.deep.equal([]);
    expect(await replica.does({ what: 'switch', why: '' })).to.deep.equal([]);
    expect(replica.rollouts.status('claims')?.document.current.phase).to.equal('switched');
  });

  it('of two operators at once one wins, the other is told', async () => {
    const [one, other] = [world.replica(), world.replica()];
    const told = await Promise.all([one.does(start), other.does(stage)]);
    expect(told.map((problems) => problems.length).sort()).to.deep.equal([0, 1]);
    expect(told.flat()[0]).to.contain('in between');
    expect(world.store.moves).to.have.lengthOf(1);
    const late = await other.does(start);
    expect(late[0]).to.contain('one at a time');
  });
});

describe('what a rollout must pass before traffic moves', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });
  afterEach(() => world.end());

  it('is refused when it breaks what agents know, unless that is accepted', async () => {
    world.services.set([twoVersions({ '1.0.0': catalogueOf('look', 'file') })]);
    const replica = world.replica();
    const [told] = await replica.does(start);
    expect(told).to.contain('tool file').and.contain('--accept-breaking');
    expect(await replica.does(start, true)).to.deep.equal([]);
    expect(world.store.current.events[0]?.why).to.contain('Accepted as breaking: tool file');
  });

  it('is refused with every breaking change, however many they are', async () => {
    const gone = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => `file-${name}`);
    world.services.set([twoVersions({ '1.0.0': catalogueOf('look', ...gone) })]);
    const told = (await world.replica().does(start)).join('\n');
    for (const name of gone) expect(told).to.contain(`tool ${name} `);
    expect(told.match(/tool file-a /g)).to.have.lengthOf(1);
  });

  it('is asked again at the switch, but not for what was accepted at the staging', async () => {
    world.services.set([twoVersions({ '1.0.0': catalogueOf('look', 'file') })]);
    const replica = world.replica();
    const turn: Action = { what: 'switch', why: '' };
    await replica.does(stage, true);
    world.services.set([twoVersions({ '1.0.0': catalogueOf('look', 'file', 'more') })]);
    expect((await replica.does(turn))[0]).to.contain('tool more');
    world.services.set([twoVersions({ '1.0.0': catalogueOf('look', 'file') })]);
    expect(await replica.does(turn)).to.deep.equal([]);
  });

  it('is refused while a version was not asked what it offers', async () => {
    const [service] = world.services.value;
    const probe = { ...service!.probe!, versions: { '1.0.0': catalogueOf('look') } };
    world.services.set([{ ...service!, probe }]);
    const replica = world.replica();
    expect((await replica.does(start))[0]).to.match(/2\.0\.0 .* not asked yet.*Try again/);
  });

  it('is refused for a service that is not there', async () => {
    const replica = world.replica();
    world.services.set([]);
    expect(await replica.does(start)).to.deep.equal(['There is no service claims.']);
  });

  it('tells before it is done which resources of an Envoy it changes', () => {
    const replica = world.replica();
    const intent = { service: 'claims', action: start, who: 'ana', acceptBreaking: false };
    const proposed = replica.rollouts.proposed(intent);
    const effects = proposed.ok ? proposed.value.effects : [];
    expect(effects).to.deep.include({ kind: 'endpoint', name: 'claims', change: 'changed' });
    expect(world.store.document(), 'nothing is written').to.equal(undefined);
  });
});
