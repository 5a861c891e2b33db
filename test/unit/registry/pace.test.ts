import { expect } from 'chai';
import { Pace } from '../../../src/registry/pace.js';

const limits = { burst: 5, forgiveMs: 200, stepMs: 20 };

/** The pauses of what happens every `everyMs`, each pause waited out. */
function pauses(everyMs: number, times: number): number[] {
  const pace = new Pace(limits);
  let now = 1_000;
  return Array.from({ length: times }, () => {
    const pauseMs = pace.pauseMs(now);
    now += Math.max(everyMs, pauseMs);
    return pauseMs;
  });
}

describe('the pace of what happens too often', () => {
  it('lets the first of a burst pass at once, then pauses longer each time', () => {
    const [first, second, third, fourth, fifth, ...later] = pauses(0, 8);
    expect([first, second, third, fourth, fifth]).to.deep.equal([0, 0, 0, 0, 0]);
    expect(later[0]).to.equal(20);
    expect(later).to.deep.equal([...new Set(later)].sort((a, b) => a - b));
  });

  it('never pauses for what happens seldom', () => {
    expect(Math.max(...pauses(200, 1_000))).to.equal(0);
  });

  it('brings what flaps ten times a second down to five, and forgets it when it is quiet', () => {
    const settled = pauses(100, 200).slice(100);
    for (const pauseMs of settled) expect(pauseMs).to.be.within(190, 210);
    const pace = new Pace(limits);
    for (let times = 0; times < 100; times++) pace.pauseMs(0);
    expect(pace.pauseMs(0)).to.equal(400);
    expect(pace.pauseMs(60_000)).to.equal(0);
  });
});
