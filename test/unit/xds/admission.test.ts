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
  const enter = (index: number, address = '10.0.0.1:1'): Entry | undefined =>
    admission.enter(address, () => begun.push(index));
  afterEach(() => admission.close());

  it('lets so many begin at once, then as many as the rate allows (point 35)', () => {
    limited({ admittedBurst: 2, admittedPerSecond: 10 });
    const entries = [0, 1, 2, 3].map((index) => enter(index));
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
    const entries = [0, 1, 2, 3].map((index) => enter(index));
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

  it('lets hosts take turns: whoever opens thousands waits behind itself (point 40)', () => {
    limited({ joiningAtOnce: 1 });
    const entries = [0, 1, 2, 3].map((index) => enter(index, `10.0.0.1:${index % 2}`));
    entries.push(enter(4, '10.0.0.2:1'));
    for (const next of [0, 1, 4, 2, 3]) {
      expect(begun.at(-1)).to.equal(next);
      entries[next]?.done();
    }
  });

  it('has room for a host with less than its share where others fill the queue (point 40)', () => {
    limited({ joiningAtOnce: 1, admissionQueue: 4 });
    const taken = (address: string) =>
      [0, 1, 2, 3, 4, 5].filter((index) => enter(index, address) !== undefined).length;
    expect(taken('10.0.0.1:1'), 'one begins, four wait').to.equal(5);
    expect(taken('10.0.0.2:1'), 'half of the queue').to.equal(2);
    expect(taken('10.0.0.1:1'), 'has more than half').to.equal(0);
  });

  it('goes on with the next where one is done as it begins, however many wait', () => {
    limited({ joiningAtOnce: 4, admittedBurst: 100_000, admissionQueue: 100_000 });
    const first = [0, 1, 2, 3].map((index) => enter(index));
    for (let index = 4; index < 20_000; index++)
      admission.enter('10.0.0.1:1', (entry) => {
        begun.push(index);
        entry.done();
      });
    first[0]?.done();
    // A few in a round, so that others have their turn between two.
    expect(begun).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7]);
  });
});
