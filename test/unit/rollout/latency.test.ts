import { expect } from 'chai';
import fc from 'fast-check';
import { callsAbove, callsIn, quantile, type Latency } from '../../../src/rollout/latency.js';

describe('a histogram of latencies', () => {
  /** Half as many take longer than 10 ms as than 1, then a tenth, then a hundredth. */
  const latency: Latency = [
    { upTo: 1, calls: 0 },
    { upTo: 10, calls: 500 },
    { upTo: 20, calls: 0 },
    { upTo: 40, calls: 400 },
    { upTo: 160, calls: 90 },
    { upTo: Infinity, calls: 10 },
  ];

  it('tells how many took longer than the end of a bucket', () => {
    expect([0, 1, 10, 20, 40, 160].map((ms) => callsAbove(latency, ms))).to.deep.equal([
      ...[1000, 1000, 500, 500, 100, 10],
    ]);
  });

  it('takes those that took longer to grow fewer as a power of the time within a bucket', () => {
    expect(callsAbove(latency, 80)).to.be.closeTo(Math.sqrt(100 * 10), 1e-9);
    expect(quantile(latency, 1 - Math.sqrt(1000) / 1000)).to.be.closeTo(80, 1e-9);
  });

  it('is near the p99 of a log-normal latency though its buckets are wide', () => {
    // The chances of exp(N(ln 30, 0.5)) up to 57.7, 86.5, 129.7 and 194.6 ms.
    const made: Latency = [
      { upTo: 57.7, calls: 90_459 },
      { upTo: 86.5, calls: 7834 },
      { upTo: 129.7, calls: 1537 },
      { upTo: 194.6, calls: 160 },
      { upTo: Infinity, calls: 10 },
    ];
    expect(quantile(made, 0.99)).to.be.closeTo(30 * Math.exp(2.326 * 0.5), 2);
  });

  it('tells no quantile in the bucket without an end, nor without calls', () => {
    expect(quantile(latency, 0.995)).to.equal(undefined);
    expect(quantile([], 0.99)).to.equal(undefined);
    expect(quantile([{ upTo: 10, calls: 0 }], 0.99)).to.equal(undefined);
  });

  it('guesses nothing about the bucket without an end', () => {
    expect(callsAbove(latency, 161)).to.equal(0);
  });

  it('has a hundredth of its calls above its p99, wherever the buckets lie', () => {
    const buckets = fc.array(fc.nat(1000), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(buckets, (counts) => {
        const made = counts.map((calls, index) => ({ upTo: 2 ** index, calls }));
        // Fewer than half a call cannot be told.
        fc.pre(callsIn(made) >= 50);
        const p99 = quantile(made, 0.99)!;
        const above = callsAbove(made, p99);
        const isEnd = made.some(({ upTo }) => Math.abs(upTo - p99) < 1e-9);
        if (isEnd) expect(above).to.be.at.most(callsIn(made) / 100 + 1e-6);
        else expect(above).to.be.closeTo(callsIn(made) / 100, 1e-6);
      }),
    );
  });
});
