/** An Envoy is connected to one replica, and what it does not take holds back the others too. */
import { expect } from 'chai';
import type { Action } from '../../../src/rollout/advance.js';
import type { LaggingNode } from '../../../src/rollout/due.js';
import { canaryPlan } from '../rollout/rollouts.js';
import { felt, World, type Replica } from './stage.js';

const start: Action = { what: 'start', plan: canaryPlan, why: '' };
const well = { '1.0.0': felt(2_000), '2.0.0': felt(1_000) };
const silent: LaggingNode = { node: 'edge-1', refused: false };
const refusing: LaggingNode = { node: 'edge-1', refused: true };

describe('an Envoy that holds a rollout back at another replica', () => {
  let world: World;
  let lagging: LaggingNode[];
  /** The replica that it is connected to, and one that it is not. */
  let near: Replica;
  let far: Replica;

  beforeEach(async () => {
    world = new World();
    world.signals = well;
    lagging = [];
    near = world.replica(undefined, () => lagging);
    far = world.replica();
    await near.does(start);
  });
  afterEach(() => world.end());

  async function lags(node: LaggingNode, forMs: number): Promise<void> {
    lagging = [node];
    await near.looks();
    world.now += forMs;
    await near.looks();
  }

  const nodesSaid = () => world.store.current.held?.map(({ node }) => node);
  const timeIsOver = () => void (world.now = world.store.current.stepSince + canaryPlan.everyMs);
  const events = () => world.store.moves.length;

  it('is told to the others when it has been silent for half a second', async () => {
    await lags(silent, 499);
    expect(nodesSaid()).to.equal(undefined);
    world.now += 1;
    await near.looks();
    expect(nodesSaid()).to.deep.equal(['edge-1']);
  });

  it('is told at once when it refuses', async () => {
    await lags(refusing, 0);
    expect(nodesSaid()).to.deep.equal(['edge-1']);
  });

  it('keeps the others from the next step, and they say why', async () => {
    timeIsOver();
    await lags(refusing, 0);
    await far.looks();
    expect(world.store.moves).to.deep.equal(['start']);
    const status = far.rollouts.status('claims');
    expect(status?.next.why).to.equal('The share of 5 % is refused by edge-1.');
    expect(status?.lagging).to.deep.equal([refusing]);
  });

  it('lets any of them go on when it has caught up', async () => {
    await lags(refusing, 0);
    lagging = [];
    await near.looks();
    expect(nodesSaid()).to.deep.equal([]);
    timeIsOver();
    await far.looks();
    expect(world.store.moves).to.deep.equal(['start', 'advance']);
    expect(nodesSaid(), 'the next step begins without').to.equal(undefined);
  });

  it('holds them back as long as it lasts, and is written rarely', async () => {
    await lags(refusing, 0);
    timeIsOver();
    const { writes } = near.registry;
    for (let seconds = 0; seconds < 60; seconds++) {
      world.now += 1_000;
      await near.looks();
      await far.looks();
    }
    expect(world.store.moves).to.deep.equal(['start']);
    expect(near.registry.writes - writes).to.equal(6);
  });

  it('is forgotten half a minute after the replica that told it has died', async () => {
    timeIsOver();
    await lags(refusing, 0);
    await near.end();
    world.now += 29_999;
    await far.looks();
    expect(world.store.moves).to.deep.equal(['start']);
    world.now += 1;
    await far.looks();
    expect(world.store.moves).to.deep.equal(['start', 'advance']);
  });

  it('does not keep a bad version from being aborted', async () => {
    await lags(refusing, 0);
    world.signals = { '1.0.0': felt(2_000), '2.0.0': felt(100, 100) };
    await far.looks();
    expect(world.store.moves).to.deep.equal(['start', 'abort']);
  });

  it('is told with few others, however many there are', async () => {
    const many = Array.from({ length: 1_000 }, (_, at) => ({ node: `edge-${at}`, refused: true }));
    lagging = many;
    await near.looks();
    expect(nodesSaid()).to.have.lengthOf(8);
    const { writes } = near.registry;
    lagging = many.slice(4);
    await near.looks();
    await near.looks();
    expect(nodesSaid()?.slice(0, 4)).to.deep.equal(['edge-4', 'edge-5', 'edge-6', 'edge-7']);
    expect(near.registry.writes - writes).to.equal(1);
    expect(events()).to.equal(1);
  });
});
