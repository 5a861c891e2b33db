import { expect } from 'chai';
import { Admission, type Entry } from '../../../src/xds/admission.js';
import { defaultLimits, type Limits } from '../../../src/xds/limits.js';

describe('admission', () => {
  let now: number;
  let admission: Admission;
  let begun: number[];
  const limited = (limits: Partial<Limits>) => {
    now = 0;
    begun = [];
    admission = new Admission({ ...defaultLimits, ...limits }, { now: () => now });
  };
  const enter = (index: number): Entry | undefined => admission.enter(() => begun.push(index));
  afterEach(() => admission.close());

  it('lets so many begin at once, then as many as the rate allows (point 35)', () => {
    limited({ admittedBurst: 2, admittedPerSecond: 10 });
    const entries = [0, 1, 2, 3].map(enter);
    expect(begun).to.deep.equal([0, 1]);
    now = 100;
    entries[0]?.done();
    expect(begun).to.deep.equal([0, 1, 2]);
    now = 200;
    entries[1]?.done();
    expect(begun).to.deep.equal([0, 1, 2, 3]);
  });

  it('lets no more join together than first answers may be in memory (points 31, 35)', () => {
    limited({ joiningAtOnce: 2 });
    const entries = [0, 1, 2, 3].map(enter);
    expect(begun).to.deep.equal([0, 1]);
    entries[1]?.done();
    entries[1]?.done();
    expect(begun).to.deep.equal([0, 1, 2]);
  });

  it('is not held up by those who take long over joining (points 32, 35)', () => {
    limited({ joiningAtOnce: 1, joiningMs: 1_000 });
    enter(0);
    enter(1);
    expect(begun).to.deep.equal([0]);
    now = 1_000;
    enter(2);
    expect(begun).to.deep.equal([0, 1]);
  });

  it('forgets who left while waiting, and refuses where the queue is full (point 40)', () => {
    limited({ joiningAtOnce: 1, admissionQueue: 1 });
    const first = enter(0);
    const waiting = enter(1);
    expect(enter(2)).to.equal(undefined);
    waiting?.done();
    expect(enter(3)).to.not.equal(undefined);
    first?.done();
    expect(begun).to.deep.equal([0, 3]);
  });
});
