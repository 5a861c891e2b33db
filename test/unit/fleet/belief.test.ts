import { expect } from 'chai';
import { Belief } from '../../../src/fleet/belief.js';
import type { Registered } from '../../../src/fleet/merge.js';
import { registration, report } from './registered.js';

const one = registration({ name: 'claims', id: 'one' });
const two = registration({ name: 'policy', id: 'two', port: 3001 });
const graceMs = 30_000;

const says = (...registrations: Registered['registrations']) => report('consul', registrations);

/** Heard to hold both. */
function convinced(): Belief {
  const belief = new Belief(undefined, graceMs);
  belief.report(says(one, two));
  belief.hearing('heard');
  expect(named(belief)).to.deep.equal(['one', 'two']);
  return belief;
}

function named(belief: Belief, now = 0): string[] | undefined {
  return belief.believed(now)?.registrations.map(({ id }) => id);
}

describe('how far a registry is believed', () => {
  it('knows nothing until it was heard, unless an earlier run kept something', () => {
    const belief = new Belief(undefined, graceMs);
    belief.report(says(one));
    expect(named(belief)).to.equal(undefined);
    expect(named(new Belief(says(two), graceMs))).to.deep.equal(['two']);
  });

  it('takes a registry at its word while it is heard, also that all is gone', () => {
    const belief = convinced();
    belief.report(says());
    expect(named(belief)).to.deep.equal([]);
    expect(belief.held).to.equal(undefined);
  });

  it('gives back the same report until something is learnt', () => {
    const belief = convinced();
    expect(belief.believed(1)).to.equal(belief.believed(2));
  });

  it('believes a lost registry what is there, not what has gone', () => {
    const belief = convinced();
    belief.hearing('lost');
    belief.report(says(two));
    expect(named(belief)).to.deep.equal(['one', 'two']);
    belief.report(says(two, { ...one, passing: false }));
    expect(belief.believed(0)?.registrations[1]?.passing).to.equal(false);
    belief.report(says(two));
    belief.hearing('heard');
    expect(named(belief)).to.deep.equal(['two']);
  });

  describe('when it comes back empty after it was lost', () => {
    function emptied(): Belief {
      const belief = convinced();
      belief.hearing('lost');
      belief.report(says());
      belief.hearing('heard');
      return belief;
    }

    it('holds what it held for the grace, then believes it', () => {
      const belief = emptied();
      expect(named(belief, 1_000)).to.deep.equal(['one', 'two']);
      expect(belief.held?.until).to.equal(31_000);
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
      const belief = new Belief(undefined, graceMs);
      belief.report(report('consul', [one], { claims: override }));
      belief.hearing('heard');
      named(belief);
      belief.hearing('lost');
      belief.report(says());
      belief.hearing('heard');
      expect(belief.believed(0)?.policies.get('claims')).to.equal(override);
      expect(belief.believed(graceMs)?.policies.size).to.equal(0);
    });

    it('holds anew when it is lost and empty once more', () => {
      const belief = emptied();
      named(belief, 0);
      belief.hearing('lost');
      expect(named(belief, 40_000)).to.deep.equal(['one', 'two']);
      belief.hearing('heard');
      expect(named(belief, 50_000)).to.deep.equal(['one', 'two']);
      expect(belief.held?.until).to.equal(80_000);
    });

    it('holds what an earlier run kept, when it was not heard at first', () => {
      const belief = new Belief(says(one), graceMs);
      belief.hearing('lost');
      belief.report(says());
      belief.hearing('heard');
      expect(named(belief)).to.deep.equal(['one']);
    });

    it('holds nothing where the grace is zero', () => {
      const belief = new Belief(says(one), 0);
      belief.hearing('lost');
      belief.report(says());
      belief.hearing('heard');
      expect(named(belief)).to.deep.equal([]);
    });
  });
});
