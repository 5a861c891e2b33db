import { expect } from 'chai';
import type { JudgeLimits } from '../../../src/fleet/rollout.js';
import { evidenceAbove } from '../../../src/rollout/evidence.js';
import { startsOf } from '../../../src/rollout/windows.js';
import { limits } from './rollouts.js';
import { randomOf, Step, type Rates } from './streams.js';

const [second, minute, day] = [1_000, 60_000, 86_400_000];

describe('the windows within a step', () => {
  it('begin within it, newest first, and on times that its history keeps apart', () => {
    for (const age of [0, 4, 5, 12, 59, 60, 61, 599, 7_200, 100_000].map((s) => s * second)) {
      const ages = startsOf(minute, minute + age).map(({ at }) => minute + age - at);
      expect(ages.every((each) => each >= 0 && each < age)).to.equal(true);
      expect(ages).to.deep.equal([...ages].sort((one, other) => one - other));
      for (const each of ages)
        expect((age - each) % (each < 2 * minute ? 5 * second : minute)).to.equal(0);
    }
    expect(startsOf(0, 4 * second)).to.deep.equal([]);
  });

  it('reach from the last seconds to the last hour', () => {
    const ages = startsOf(0, day).map(({ at }) => (day - at) / second);
    expect(ages).to.include.members([0, 5, 10, 20, 40, 80, 120, 240, 960, 3_840]);
  });

  it('together cost one chance, however long the step: the law they stand on', () => {
    const prices = new Map<string, number>();
    for (let now = 0; now <= day; now += 5 * second)
      startsOf(0, now).forEach(({ at, price }) => prices.set(`${at} ${price}`, price));
    const chance = [...prices.values()].reduce((sum, price) => sum + 1 / price, 0);
    expect(prices.size).to.be.above(18_000);
    expect(chance).to.be.within(0.3, 1);
  });
});

interface Watch {
  /** From the step's beginning. */
  readonly until: number;
  readonly limits?: JudgeLimits;
  /** One look in so many half seconds. */
  readonly every?: number;
}

/** Looks at it; whether it was ended before its time. */
function isEnded(step: Step, rates: Rates, watch: Watch): boolean {
  for (let look = 1; step.seconds < watch.until; look += 1) {
    step.pass(rates);
    if (look % (watch.every ?? 1) === 0 && step.isEnded(watch.limits ?? limits)) return true;
  }
  return false;
}

describe('windows that are looked at twice a second', () => {
  const generous = { ...limits, maxErrorRate: 0.05 };
  const atLimit = (oldCalls: number, oldErrors: number): Rates => ({
    ...{ calls: { old: oldCalls, new: 3 }, errors: { old: oldErrors, new: 0.05 } },
  });

  it('mislead at one level as rarely as is promised there', () => {
    const [steps, level] = [40, 10];
    const random = randomOf(11);
    const share = 0.05;
    const rates = { calls: { old: 0, new: 3 }, errors: { old: 0, new: share } };
    const isMisled = () => {
      const step = new Step(random);
      while (step.seconds < 600) {
        step.pass(rates);
        for (const { new: fresh, price } of step.later())
          if (evidenceAbove(fresh.failures.http, fresh.calls, share) >= level * price) return true;
      }
      return false;
    };
    const misled = Array.from({ length: steps }, isMisled).filter(Boolean).length;
    expect(misled / steps).to.be.at.most(1 / level);
  }).timeout(60_000);

  for (const [hours, steps, every] of [
    [1 / 6, 12, 1],
    [1, 2, 1],
    [24, 1, 20],
  ] as const)
    it(`end none of ${steps} steps of ${Math.round(hours * 60)} min at the limit`, () => {
      const random = randomOf(12);
      const watch = { until: hours * 3_600, limits: generous, every };
      for (const rates of [atLimit(3, 0), atLimit(9, 0.05)])
        for (let nth = 0; nth < steps; nth += 1)
          expect(isEnded(new Step(random), rates, watch)).to.equal(false);
    }).timeout(60_000);

  it('blame none of 6 shared faults of ten minutes on the new version', () => {
    const random = randomOf(13);
    for (const errors of [0.2, 0.3, 0.6, 1])
      for (let nth = 0; nth < 6; nth += 1) {
        const rates = { calls: { old: 3, new: 3 }, errors: { old: errors, new: errors } };
        expect(isEnded(new Step(random), rates, { until: 600 })).to.equal(false);
      }
  }).timeout(60_000);
});

describe('a disaster after nine good minutes is found', () => {
  /** Seconds from its beginning, ascending, of 30 steps: each begins somewhere in a window. */
  function secondsToFind(perSecond: number, errors: number, old = 19): readonly number[] {
    const random = randomOf(14);
    const calls = { old: perSecond * old, new: perSecond };
    const found = Array.from({ length: 30 }, () => {
      const step = new Step(random);
      const begins = 540 + 5 * random();
      while (step.seconds < begins) step.pass({ calls, errors: { old: 0.001, new: 0.001 } });
      const begun = step.seconds;
      isEnded(step, { calls, errors: { old: 0.001, new: errors } }, { until: begun + 300 });
      return step.seconds - begun;
    });
    return found.sort((one, other) => one - other);
  }
  const quantile = (seconds: readonly number[], share: number): number =>
    seconds[Math.ceil(share * seconds.length) - 1]!;

  for (const [errors, perSecond, median, ninth] of [
    [1, 1, 10, 15],
    [1, 3, 10, 10],
    [1, 10, 10, 10],
    [1, 50, 10, 10],
    [0.5, 3, 10, 10],
    [0.5, 10, 10, 10],
    [0.25, 1, 35, 65],
    [0.25, 3, 12, 22],
    [0.25, 10, 10, 10],
    [0.25, 50, 10, 10],
  ] as const)
    it(`${errors * 100} % at ${perSecond}/s: half in ${median} s, 9 of 10 in ${ninth} s`, () => {
      const seconds = secondsToFind(perSecond, errors);
      expect(quantile(seconds, 0.5)).to.be.at.most(median);
      expect(quantile(seconds, 0.9)).to.be.at.most(ninth);
    }).timeout(60_000);
});
