import { expect } from 'chai';
import { Belief } from '../../../src/fleet/belief.js';
import type { LossLimits } from '../../../src/fleet/absences.js';
import type { Registered } from '../../../src/fleet/merge.js';
import { registration, report, rolloutOf } from './registered.js';

const one = registration({ name: 'claims', id: 'one' });
const two = registration({ name: 'policy', id: 'two', port: 3001 });
const limits: LossLimits = { share: 0.5, least: 5, holdMs: 30_000 };

const says = (...registrations: Registered['registrations']) => report('consul', registrations);

/** Heard to hold these. */
function convinced(...registrations: Registered['registrations']): Belief {
  const belief = new Belief(undefined, limits);
  belief.report(says(...registrations));
  belief.hearing('heard', 0);
  expect(named(belief)).to.have.lengthOf(registrations.length);
  return belief;
}

function named(belief: Belief, now = 0): string[] | undefined {
  return belief.believed(now)?.registrations.map(({ id }) => id);
}

const heldIds = ({ held }: Belief) => held?.registrations.map(({ id }) => id);

/** `count` instances, each of a service of its own. */
const fleetOf = (count: number) =>
  Array.from({ length: count }, (_, index) =>
    registration({ name: `service-${index}`, id: String(index), port: 4000 + index }),
  );

describe('how far a registry is believed', () => {
  it('knows nothing until it was heard, unless an earlier run kept something', () => {
    const belief = new Belief(undefined, limits);
    belief.report(says(one));
    expect(named(belief)).to.equal(undefined);
    expect(named(new Belief(says(two), limits))).to.deep.equal(['two']);
  });

  it('takes a registry at its word while it is heard, also that the few it held are gone', () => {
    const belief = convinced(one, two);
    belief.report(says());
    expect(named(belief)).to.deep.equal([]);
    expect(belief.held).to.equal(undefined);
  });

  it('gives back the same report until something is learnt', () => {
    const belief = convinced(one, two);
    expect(belief.believed(1)).to.equal(belief.believed(2));
  });

  it('gives back the very report of a registry that loses nothing', () => {
    const belief = convinced(one);
    const newest = says(one, two);
    belief.report(newest);
    expect(belief.believed(0)).to.equal(newest);
  });

  it('believes a lost registry what is there, not what has gone', () => {
    const belief = convinced(one, two);
    belief.hearing('lost', 0);
    belief.report(says(two));
    expect(named(belief)).to.have.members(['one', 'two']);
    belief.report(says({ ...two, passing: false }));
    expect(belief.believed(0)?.registrations.map(({ passing }) => passing)).to.include(false);
    const three = registration({ name: 'later', id: 'three', port: 3002 });
    belief.report(says(two, three));
    expect(named(belief)).to.have.members(['one', 'two', 'three']);
    belief.hearing('heard', 0);
    expect(named(belief)).to.have.members(['two', 'three']);
  });

  it('knows since when it is heard, or is not', () => {
    const belief = convinced(one);
    belief.hearing('lost', 5);
    belief.hearing('lost', 7);
    expect(belief.since).to.equal(5);
    belief.hearing('heard', 9);
    expect(belief.since).to.equal(9);
  });

  describe('when it comes back empty after it was lost', () => {
    function emptied(): Belief {
      const belief = convinced(one, two);
      belief.hearing('lost', 0);
      belief.report(says());
      belief.hearing('heard', 0);
      return belief;
    }

    it('holds what it held, however few, then believes it', () => {
      const belief = emptied();
      expect(named(belief, 1_000)).to.deep.equal(['one', 'two']);
      expect(belief.held?.until).to.equal(31_000);
      expect(belief.nextEnd).to.equal(31_000);
      expect(named(belief, 30_999)).to.deep.equal(['one', 'two']);
      expect(named(belief, 31_000)).to.deep.equal([]);
      expect(belief.held).to.equal(undefined);
    });

    it('lets each go that registered again, and may then deregister at once', () => {
      const belief = emptied();
      named(belief);
      const again = { ...one, id: 'again', version: '2.0.0' };
      belief.report(says(again));
      expect(named(belief)).to.deep.equal(['again', 'two']);
      belief.report(says());
      expect(named(belief)).to.deep.equal(['two']);
      belief.report(says(two));
      expect(named(belief)).to.deep.equal(['two']);
      expect(belief.held).to.equal(undefined);
    });

    it('keeps policies that it no longer names as long', () => {
      const override = { era: 'legacy' } as const;
      const belief = new Belief(undefined, limits);
      belief.report(report('consul', [one], { claims: override, elsewhere: override }));
      belief.hearing('heard', 0);
      named(belief);
      belief.hearing('lost', 0);
      belief.report(report('consul', [one]));
      expect(belief.believed(0)?.policies.get('claims'), 'while it is lost').to.equal(override);
      belief.report(says());
      belief.hearing('heard', 0);
      expect([...(belief.believed(0)?.policies.keys() ?? [])]).to.deep.equal(['claims']);
      expect(belief.believed(30_000)?.policies.size).to.equal(0);
    });

    it('keeps rollouts as long, so that no version takes traffic because a registry forgot', () => {
      const belief = new Belief(undefined, limits);
      const rollouts = new Map([['claims', rolloutOf('claims')]]);
      belief.report({ ...report('consul', [one]), rollouts });
      belief.hearing('heard', 0);
      named(belief);
      belief.hearing('lost', 0);
      belief.report(says());
      belief.hearing('heard', 0);
      expect(belief.believed(0)?.rollouts).to.deep.equal(rollouts);
      expect(belief.believed(30_000)?.rollouts.size).to.equal(0);
    });

    it('holds anew when it is lost and empty once more', () => {
      const belief = emptied();
      named(belief, 0);
      belief.hearing('lost', 1_000);
      expect(named(belief, 40_000)).to.deep.equal(['one', 'two']);
      expect(belief.held?.until, 'nobody knows').to.equal(undefined);
      expect(belief.nextEnd).to.equal(Infinity);
      belief.hearing('heard', 50_000);
      expect(named(belief, 50_000)).to.deep.equal(['one', 'two']);
      expect(belief.held?.until).to.equal(80_000);
    });

    it('does not bring back what had gone before it was lost', () => {
      const belief = convinced(one, two);
      belief.report(says(one));
      named(belief, 1_000);
      belief.hearing('lost', 2_000);
      belief.report(says());
      belief.hearing('heard', 3_000);
      expect(named(belief, 3_000)).to.deep.equal(['one']);
    });

    it('does not count what had gone before it was lost', () => {
      const belief = convinced(one, two, ...fleetOf(1));
      belief.report(says(one, two));
      named(belief, 1_000);
      belief.hearing('lost', 2_000);
      belief.report(says(two));
      belief.hearing('heard', 3_000);
      expect(named(belief, 3_000)).to.deep.equal(['two']);
    });

    it('holds what an earlier run kept, however few: nobody heard it in between', () => {
      const belief = new Belief(says(one), limits);
      belief.report(says());
      belief.hearing('heard', 0);
      expect(named(belief)).to.deep.equal(['one']);
      expect(named(belief, 30_000)).to.deep.equal([]);
    });

    it('holds nothing where the hold is zero', () => {
      const belief = new Belief(says(one), { ...limits, holdMs: 0 });
      belief.hearing('lost', 0);
      belief.report(says());
      belief.hearing('heard', 0);
      expect(named(belief)).to.deep.equal([]);
    });
  });

  describe('of a sudden loss while it is heard', () => {
    const losses: readonly (readonly [number, number, boolean, string])[] = [
      [10, 5, false, 'half of all: not more than the share'],
      [10, 6, true, 'more than half'],
      [10, 10, true, 'all'],
      [5, 5, true, 'all, and the least number'],
      [6, 4, false, 'most, but fewer than the least number'],
      [1000, 500, false, 'many, but not more than the share'],
    ];
    for (const [of, lost, isHeld, what] of losses)
      it(`${isHeld ? 'holds' : 'does not hold'} ${lost} of ${of}: ${what}`, () => {
        const fleet = fleetOf(of);
        const belief = convinced(...fleet);
        belief.report(says(...fleet.slice(lost)));
        named(belief);
        expect(named(belief, 500)).to.have.lengthOf(isHeld ? of : of - lost);
        expect(heldIds(belief)?.length ?? 0).to.equal(isHeld ? lost : 0);
      });

    it('believes it once the registry has said so for the hold time', () => {
      const fleet = fleetOf(10);
      const belief = convinced(...fleet);
      belief.report(says(...fleet.slice(6)));
      expect(named(belief, 1_000)).to.have.lengthOf(10);
      expect(belief.nextEnd).to.equal(31_000);
      expect(named(belief, 31_000)).to.have.lengthOf(4);
      expect(belief.nextEnd).to.equal(Infinity);
    });

    it('holds no longer what returns, and still the others', () => {
      const fleet = fleetOf(10);
      const belief = convinced(...fleet);
      belief.report(says(...fleet.slice(6)));
      named(belief);
      belief.report(says(...fleet.slice(1)));
      expect(named(belief)).to.have.lengthOf(10);
      expect(heldIds(belief)).to.deep.equal(['0']);
      expect(belief.held?.loss.registrations, 'what is told of it').to.have.lengthOf(6);
      expect(belief.held?.loss.of).to.equal(10);
    });

    it('adds up quick losses, and takes back what went first', () => {
      const fleet = fleetOf(10);
      const belief = convinced(...fleet);
      for (let lost = 1; lost <= 5; lost++) {
        belief.report(says(...fleet.slice(lost)));
        named(belief, lost * 1_000);
        expect(named(belief, lost * 1_000 + 500)).to.have.lengthOf(10 - lost);
      }
      belief.report(says(...fleet.slice(6)));
      expect(named(belief, 6_000)).to.have.lengthOf(10);
      expect(named(belief, 30_999)).to.have.lengthOf(10);
      expect(named(belief, 31_000), 'each after its own time').to.have.lengthOf(9);
      expect(named(belief, 36_000)).to.have.lengthOf(4);
    });

    it('lets a few go at once, and the next only when no more follow soon', () => {
      const fleet = fleetOf(20);
      const belief = convinced(...fleet);
      belief.report(says(...fleet.slice(4)));
      expect(named(belief, 0)).to.have.lengthOf(16);
      belief.report(says(...fleet.slice(6)));
      expect(named(belief, 100)).to.have.lengthOf(16);
      expect(belief.nextEnd).to.equal(600);
      expect(belief.held, 'it is no loss that is held back').to.equal(undefined);
      expect(named(belief, 600)).to.have.lengthOf(14);
      expect(belief.nextEnd).to.equal(Infinity);
    });

    it('takes those that come and go one by one for no loss', () => {
      const fleet = fleetOf(10);
      const belief = convinced(...fleet);
      for (let index = 0; index < 30; index++) {
        const brief = { ...fleet[0]!, name: `brief-${index}`, id: 'brief', port: 5000 + index };
        belief.report(says(...fleet, brief));
        expect(named(belief, index * 100)).to.have.lengthOf(11);
        belief.report(says(...fleet));
        expect(named(belief, index * 100 + 50)).to.have.lengthOf(10);
      }
    });

    it('doubts the loss of those that only just came, too, when it is large', () => {
      const fleet = fleetOf(10);
      const belief = convinced(fleet[0]!);
      belief.report(says(...fleet));
      named(belief, 0);
      belief.report(says(fleet[0]!));
      expect(named(belief, 100)).to.have.lengthOf(10);
    });

    it('does not add up slow losses', () => {
      const fleet = fleetOf(10);
      const belief = convinced(...fleet);
      for (let lost = 1; lost <= 10; lost++) {
        belief.report(says(...fleet.slice(lost)));
        expect(named(belief, lost * 10_000)).to.have.lengthOf(10 - lost);
      }
    });

    it('takes as many newcomers for replacements, at once or one by one', () => {
      const fleet = fleetOf(10);
      const moved = fleet.map((each) => ({ ...each, id: `new-${each.id}`, host: '10.0.0.8' }));
      const atOnce = convinced(...fleet);
      atOnce.report(says(...moved));
      expect(named(atOnce)?.join()).to.equal(moved.map(({ id }) => id).join());
      const soon = convinced(...fleet);
      for (let count = 1; count <= 10; count++) {
        soon.report(says(...moved.slice(0, count - 1), ...fleet.slice(count)));
        named(soon, count * 10);
        soon.report(says(...moved.slice(0, count), ...fleet.slice(count)));
        expect(named(soon, count * 10 + 5)).to.have.lengthOf(10);
        expect(soon.held).to.equal(undefined);
      }
    });

    it('takes an instance with other fields, or another id, for the same', () => {
      const fleet = fleetOf(10);
      const belief = convinced(...fleet);
      belief.report(says(...fleet.map((each) => ({ ...each, id: `x${each.id}`, weight: 1 }))));
      expect(named(belief)).to.have.lengthOf(10);
      expect(belief.held).to.equal(undefined);
    });

    it('takes an instance for present that is still named by another id', () => {
      const fleet = fleetOf(10);
      const renamed = fleet.map((each) => ({ ...each, id: `x${each.id}`, version: '2.0.0' }));
      const belief = convinced(...fleet);
      belief.report(says(...fleet, ...renamed));
      named(belief, 1_000);
      belief.report(says(...renamed));
      expect(named(belief, 2_000)).to.deep.equal(renamed.map(({ id }) => id));
      expect(belief.held).to.equal(undefined);
    });

    it('holds for longer when the registry is lost meanwhile', () => {
      const fleet = fleetOf(10);
      const belief = convinced(...fleet);
      belief.report(says());
      named(belief, 0);
      belief.hearing('lost', 20_000);
      expect(named(belief, 40_000)).to.have.lengthOf(10);
      belief.hearing('heard', 50_000);
      expect(named(belief, 50_000)).to.have.lengthOf(10);
      expect(named(belief, 80_000)).to.have.lengthOf(0);
    });

    it('holds what an earlier run kept', () => {
      const belief = new Belief(says(...fleetOf(10)), limits);
      belief.report(says());
      belief.hearing('heard', 0);
      expect(named(belief)).to.have.lengthOf(10);
      expect(named(belief, 30_000)).to.deep.equal([]);
    });
  });

  describe('when the operator speaks', () => {
    it('lets go of all that is held, and tells what that was', () => {
      const fleet = fleetOf(10);
      const belief = convinced(...fleet);
      belief.report(says(...fleet.slice(6)));
      named(belief);
      expect(belief.accept().map(({ id }) => id)).to.deep.equal(['0', '1', '2', '3', '4', '5']);
      expect(named(belief)).to.deep.equal(['6', '7', '8', '9']);
      expect(belief.held).to.equal(undefined);
      expect(belief.accept()).to.deep.equal([]);
    });

    it('doubts the next loss by itself after one was accepted', () => {
      const fleet = fleetOf(20);
      const belief = convinced(...fleet);
      belief.report(says(...fleet.slice(11)));
      named(belief);
      belief.accept();
      belief.report(says(...fleet.slice(15)));
      expect(named(belief), '4 of 9').to.have.lengthOf(5);
    });

    it('lets go what is removed on purpose, and only that', () => {
      const many = fleetOf(10).map((each) => ({ ...each, name: 'claims' }));
      const others = fleetOf(3).map((each) => ({ ...each, host: '10.0.0.9', id: `o${each.id}` }));
      const belief = convinced(...many, ...others);
      belief.removing('claims', undefined, 0);
      belief.report(says(...others));
      expect(named(belief)).to.deep.equal(['o0', 'o1', 'o2']);
      expect(belief.held).to.equal(undefined);
    });

    it('lets go the one instance that is removed on purpose', () => {
      const fleet = fleetOf(6);
      const belief = convinced(...fleet);
      belief.removing('service-0', '0', 0);
      belief.report(says());
      expect(named(belief)).to.deep.equal(['1', '2', '3', '4', '5']);
    });

    it('forgets a removal that did not happen', () => {
      const fleet = fleetOf(6);
      const belief = convinced(...fleet);
      belief.removing('service-0', undefined, 0);
      belief.report(says());
      expect(named(belief, 30_000)).to.have.lengthOf(6);
    });
  });
});
