import { expect } from 'chai';
import { believedFor, backoffMs, restAfter } from '../../../src/probe/timing.js';
import { Turns } from '../../../src/probe/turns.js';

describe('turns', () => {
  it('let a bounded number run, in the order they came', async () => {
    const turns = new Turns();
    const begun: number[] = [];
    const ends: (() => void)[] = [];
    for (let index = 0; index < 100; index++)
      turns.add(async () => {
        begun.push(index);
        await new Promise<void>((resolve) => ends.push(resolve));
      });
    expect(begun).to.deep.equal(Array.from({ length: 32 }, (_, index) => index));
    while (begun.length < 100) {
      for (const end of ends.splice(0)) end();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(begun).to.deep.equal(Array.from({ length: 100 }, (_, index) => index));
  });

  it('go on behind tasks that take long', async () => {
    const turns = new Turns();
    let end: () => void = () => undefined;
    const endless = new Promise<void>((resolve) => (end = resolve));
    for (let index = 0; index < 40; index++) turns.add(() => endless);
    await new Promise<void>((resolve) =>
      turns.add(() => {
        resolve();
        return Promise.resolve();
      }),
    );
    end();
  }).timeout(10_000);
});

describe('patience', () => {
  it('believes a server as long as it says, within bounds; a minute when it says nothing', () => {
    const cases: readonly [number | undefined, number][] = [
      [undefined, 60_000],
      [0, 60_000],
      [-1, 60_000],
      [NaN, 60_000],
      [1, 5_000],
      [20_000, 20_000],
      [Infinity, 600_000],
    ];
    for (const [told, most] of cases) expect(believedFor(told)).to.be.within(most * 0.9, most);
  });

  it('grows with failures and urges, and has an end', () => {
    expect(backoffMs(1)).to.be.within(250, 500);
    expect(backoffMs(1_000)).to.be.within(15_000, 30_000);
    expect(backoffMs(1_000, 2_000)).to.be.within(1_000, 2_000);
    expect([0, 1, 2, 1_000].map(restAfter)).to.deep.equal([100, 200, 400, 5_000]);
  });
});
