import { expect } from 'chai';
import fc from 'fast-check';
import { evidenceAbove } from '../../../src/rollout/evidence.js';

describe('the evidence that more than a share is hit', () => {
  it('is nothing before anything was seen, and where the share is all', () => {
    expect(evidenceAbove(0, 0, 0.01)).to.equal(1);
    expect(evidenceAbove(50, 50, 1)).to.equal(1);
  });

  it('on average is never more than 1 while the share is as asked: the law it stands on', () => {
    const trials = 60;
    for (const share of [0.01, 0.1, 0.5]) {
      let [mean, chance] = [0, (1 - share) ** trials];
      for (let hits = 0; hits <= trials; hits += 1) {
        mean += chance * evidenceAbove(hits, trials, share);
        chance *= ((trials - hits) / (hits + 1)) * (share / (1 - share));
      }
      expect(mean).to.be.closeTo(1, 1e-6);
    }
  });

  it('grows with every hit and shrinks with every miss', () => {
    const counts = fc.tuple(
      fc.nat(500),
      fc.nat(500),
      fc.double({ min: 0.001, max: 0.9, noNaN: true }),
    );
    fc.assert(
      fc.property(counts, ([hits, misses, share]) => {
        const now = evidenceAbove(hits, hits + misses, share);
        expect(evidenceAbove(hits + 1, hits + misses + 1, share)).to.be.at.least(now);
        expect(evidenceAbove(hits, hits + misses + 1, share)).to.be.at.most(now);
      }),
    );
  });
});
