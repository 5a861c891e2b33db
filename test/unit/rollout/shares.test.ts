import { expect } from 'chai';
import fc from 'fast-check';
import type { Phase, Rollout } from '../../../src/fleet/rollout.js';
import { sharesOf } from '../../../src/rollout/shares.js';
import { rolloutIn, ways } from './rollouts.js';

interface Bearer {
  readonly version: string;
  readonly passing: boolean;
  readonly weight: number;
}

const instance = (version: string, fields: Partial<Bearer> = {}): Bearer => ({
  ...{ version, passing: true, weight: 100, ...fields },
});
const down = (version: string): Bearer => instance(version, { passing: false });
const [old, next, newcomer] = ['1.0.0', '2.0.0', '3.0.0'];
const shares = (rollout: Rollout | undefined, ...instances: readonly Bearer[]) => {
  const found = sharesOf({ instances }, rollout);
  return found && Object.fromEntries(found);
};

describe('the shares of a service', () => {
  it('are nobody’s business before its first rollout', () => {
    expect(shares(undefined, instance(old), instance(next))).to.equal(undefined);
  });

  const meant: Readonly<Record<Phase, number>> = {
    ...{ running: 5, paused: 5, promoted: 100, aborted: 0 },
    ...{ staged: 0, switched: 100, finished: 100, rolled_back: 0 },
  };
  for (const phase of Object.keys(ways) as Phase[])
    it(`give the new version ${meant[phase]} % when ${phase}`, () => {
      expect(shares(rolloutIn(phase), instance(old), instance(next))).to.deep.equal({
        ...{ [old]: 100 - meant[phase], [next]: meant[phase] },
      });
    });

  it('follow the step', () => {
    const second = rolloutIn('running', { step: 1 });
    expect(shares(second, instance(old), instance(next))).to.deep.equal({ [old]: 50, [next]: 50 });
  });

  it('are none of the new version at a step of 0 %', () => {
    const copied = rolloutIn('running', { steps: [0, 100] });
    expect(shares(copied, instance(old), instance(next))).to.deep.equal({ [old]: 100, [next]: 0 });
  });

  it('go by versions, not by how many instances they have', () => {
    const many = [instance(old), instance(old), instance(old), instance(next, { weight: 1000 })];
    expect(shares(rolloutIn('running'), ...many)).to.deep.equal({ [old]: 95, [next]: 5 });
  });

  it('leave a version that no rollout names with nothing, during a rollout and after it', () => {
    for (const phase of Object.keys(ways) as Phase[]) {
      const all = [instance(old), instance(next), instance(newcomer)];
      expect(shares(rolloutIn(phase), ...all)?.[newcomer], phase).to.equal(0);
    }
  });

  it('fall to the other version when one has no instance that passes', () => {
    const canary = rolloutIn('running');
    expect(shares(canary, instance(old), down(next))).to.deep.equal({ [old]: 100, [next]: 0 });
    expect(shares(canary, down(old), instance(next))).to.deep.equal({ [old]: 0, [next]: 100 });
    expect(shares(canary, instance(old))).to.deep.equal({ [old]: 100 });
  });

  it('fall even to a version that is kept at 0 before a newcomer', () => {
    const aborted = rolloutIn('aborted');
    expect(shares(aborted, down(old), instance(next), instance(newcomer))).to.deep.equal({
      ...{ [old]: 0, [next]: 100, [newcomer]: 0 },
    });
  });

  it('go by the weights of instances that pass when neither version has any', () => {
    const others = [instance(newcomer), instance('4.0.0', { weight: 300 }), down('4.0.0')];
    expect(shares(rolloutIn('promoted'), down(old), ...others)).to.deep.equal({
      ...{ [old]: 0, [newcomer]: 25, '4.0.0': 75 },
    });
  });
});

describe('whatever the instances and the rollout', () => {
  const bearers = fc.array(
    fc.record({
      version: fc.constantFrom(old, next, newcomer, '4.0.0'),
      passing: fc.boolean(),
      weight: fc.integer({ min: 1, max: 1000 }),
    }),
    { maxLength: 8 },
  );
  const rollouts = fc.record({
    phase: fc.constantFrom(...(Object.keys(ways) as Phase[])),
    step: fc.nat(2),
  });
  const always = (
    holds: (found: ReadonlyMap<string, number>, all: readonly Bearer[], rollout: Rollout) => void,
  ) =>
    fc.assert(
      fc.property(bearers, rollouts, (instances, { phase, step }) => {
        const rollout = rolloutIn(phase, { step });
        holds(sharesOf({ instances }, rollout)!, instances, rollout);
      }),
    );

  it('shares sum to 100 as soon as any instance passes, else to 0', () =>
    always((found, all) => {
      const sum = [...found.values()].reduce((total, share) => total + share, 0);
      expect(sum).to.be.closeTo(all.some(({ passing }) => passing) ? 100 : 0, 1e-9);
    }));

  it('a version without an instance that passes has 0', () =>
    always((found, all) => {
      for (const [version, share] of found)
        if (!all.some((each) => each.version === version && each.passing))
          expect(share).to.equal(0);
    }));

  it('every version that is present is named, and no other', () =>
    always((found, all) => {
      expect([...found.keys()].sort()).to.deep.equal(
        [...new Set(all.map(({ version }) => version))].sort(),
      );
    }));

  it('rules that match callers change no share', () =>
    always((found, instances, rollout) => {
      const match = [{ header: 'x-team', value: 'qa' }, { principal: 'spiffe://mcpx/qa' }];
      expect(sharesOf({ instances }, { ...rollout, match })).to.deep.equal(found);
    }));
});
