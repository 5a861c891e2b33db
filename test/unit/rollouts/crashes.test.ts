/** A control plane that is killed at any of its writes: the rollout goes on, each step once. */
import { expect } from 'chai';
import type { Phase } from '../../../src/fleet/rollout.js';
import { transitions, type Action, type Move } from '../../../src/rollout/advance.js';
import { shareOfNew } from '../../../src/rollout/shares.js';
import { actionOf, canaryPlan, ways } from '../rollout/rollouts.js';
import { felt, towards, World, type Death } from './stage.js';

const start: Action = { what: 'start', plan: canaryPlan, why: '' };
const moments = ['before', 'after'] as const;

describe('a control plane that is killed', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });
  afterEach(() => world.end());

  /** Every replica is killed at its first write; a new one follows until it has ended. */
  async function carriedOn(deaths: readonly Death[]): Promise<void> {
    for (const death of [...deaths, undefined]) {
      const replica = world.replica(death);
      for (let look = 0; look < 6; look++) {
        world.now += canaryPlan.everyMs;
        await replica.looks();
      }
    }
  }

  for (const when of moments)
    for (let at = 0; at < 5; at++)
      it(`${when} write ${at + 1} of a canary: the next one takes every step once`, async () => {
        world.signals = { '1.0.0': felt(2_000), '2.0.0': felt(1_000) };
        await world.replica().does(start);
        const deaths = Array.from({ length: at + 1 }, () => ({ at: 1, when }));
        await carriedOn(deaths);
        expect(world.store.current.phase).to.equal('promoted');
        expect(world.store.moves).to.deep.equal([
          ...['start', 'advance', 'advance', 'promote', 'retire'],
        ]);
      });

  for (const when of moments)
    it(`${when} the write of an abort: it is aborted, once`, async () => {
      await world.replica().does(start);
      world.signals = { '1.0.0': felt(2_000), '2.0.0': felt(100, 100) };
      await carriedOn([{ at: 1, when }]);
      expect(world.store.moves).to.deep.equal(['start', 'abort', 'retire']);
    });

  const phases = Object.entries(ways) as [Phase, readonly Move[]][];
  for (const [phase, way] of [['none', []] as const, ...phases])
    for (const move of Object.keys(transitions[phase]) as Move[])
      for (const when of moments)
        it(`${when} writing ${move} in ${phase}: it is done wholly or not at all`, async () => {
          const operator = world.replica();
          for (const step of way)
            expect(await operator.does(actionOf(step, world.store.document()))).to.deep.equal([]);
          const before = world.store.document();
          const served = before && shareOfNew(before.current) === 100 ? '1.0.0' : '2.0.0';
          const action = towards(served, actionOf(move, before));
          const [told] = await world.replica({ at: 1, when }).does(action);
          expect(told, 'the operator is told').to.contain('did not take the change');
          if (when === 'before') {
            expect(world.store.document()).to.deep.equal(before);
            expect(await world.replica().does(action), 'it may be tried again').to.deep.equal([]);
          }
          expect(world.store.moves.at(-1)).to.equal(move);
          const all = world.store.document();
          const count = [all!.current, ...all!.earlier].flatMap(({ events }) => events).length;
          expect(count, 'what happened in all').to.equal(way.length + 1);
        });
});
