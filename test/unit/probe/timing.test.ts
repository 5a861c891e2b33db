import { expect } from 'chai';
import fc from 'fast-check';
import { backoffMs, believedFor, refreshMs, restAfter } from '../../../src/probe/timing.js';

describe('the patience of the probe', () => {
  it('believes a server for as long as it says, from seconds to minutes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000_000 }), (ttlMs) => {
        const bounded = Math.min(Math.max(ttlMs, 5_000), 600_000);
        expect(believedFor(ttlMs)).to.be.within(0.9 * bounded, bounded);
      }),
    );
  });

  for (const ttlMs of [undefined, 0, -1, NaN])
    it(`believes it for a minute when it says ${String(ttlMs)}`, () => {
      expect(believedFor(ttlMs)).to.be.within(0.9 * refreshMs, refreshMs);
    });

  it('takes an endless promise for the longest', () => {
    expect(believedFor(Infinity)).to.be.within(540_000, 600_000);
  });

  it('waits twice as long after each failure, up to the most, never less than half of it', () => {
    const wholes = [1, 2, 3, 4, 100, 10_000].map((failures) => {
      const waits = Array.from({ length: 50 }, () => backoffMs(failures, 3_000));
      return [failures, Math.min(...waits), Math.max(...waits)] as const;
    });
    const expected = [500, 1_000, 2_000, 3_000, 3_000, 3_000];
    for (const [index, [failures, least, most]] of wholes.entries()) {
      expect(least, `after ${failures}`).to.be.at.least(expected[index]! / 2);
      expect(most, `after ${failures}`).to.be.at.most(expected[index]!);
      expect(most, `after ${failures}, out of step`).to.be.greaterThan(least);
    }
  });

  it('leaves a service that is urged again and again alone for longer, up to 5 s', () => {
    expect([0, 1, 2, 5, 6, 1_000].map(restAfter)).to.deep.equal([
      100, 200, 400, 3_200, 5_000, 5_000,
    ]);
  });
});
