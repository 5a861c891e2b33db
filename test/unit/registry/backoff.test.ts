import { expect } from 'chai';
import { Backoff } from '../../../src/backoff.js';
import { Coalesced } from '../../../src/registry/coalesced.js';

describe('trying a registry again', () => {
  it('waits longer after each failure, at most five seconds, and never quite the same', () => {
    const backoff = new Backoff();
    for (let failures = 0; failures < 30; failures++) {
      const wholeMs = Math.min(5_000, 100 * 2 ** failures);
      expect(backoff.nextMs()).to.be.within(wholeMs / 2, wholeMs);
    }
    backoff.reset();
    expect(backoff.nextMs()).to.be.at.most(100);
  });

  it('ends its wait at once when the registry is closed', async () => {
    const backoff = new Backoff();
    for (let failures = 0; failures < 30; failures++) backoff.nextMs();
    await backoff.wait(AbortSignal.abort());
  });
});

describe('work asked for in bursts', () => {
  it('is done once for a burst, and once more for what came while it was busy', async () => {
    let done = 0;
    const work = new Coalesced(() => {
      done += 1;
      if (done === 1) for (let times = 0; times < 5; times++) work.request();
    });
    for (let times = 0; times < 5; times++) work.request();
    await work.settled();
    expect(done).to.equal(2);
    work.request();
    await work.settled();
    expect(done).to.equal(3);
  });
});
