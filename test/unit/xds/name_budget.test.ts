import { expect } from 'chai';
import { defaultLimits } from '../../../src/xds/limits.js';
import { NameBudget } from '../../../src/xds/name_budget.js';

describe('the names that clients may ask for', () => {
  const budget = () =>
    new NameBudget({ ...defaultLimits, nameBytesPerStream: 100, nameBytesPerAddress: 250 });

  it('are limited for a stream', () => {
    const share = budget().shareOf('10.0.0.1:1');
    expect(share.change(100)).to.equal(undefined);
    expect(share.change(1)).to.contain('a stream may name 100 bytes');
  });

  it('are limited for all streams of a host, and for no other host', () => {
    const names = budget();
    const shares = [1, 2, 3].map((port) => names.shareOf(`10.0.0.1:${port}`));
    expect(shares.map((share) => share.change(80))).to.deep.equal([
      ...[undefined, undefined, undefined],
    ]);
    const complaint = names.shareOf('10.0.0.1:4').change(80);
    expect(complaint).to.contain('10.0.0.1').and.contain('xds.limits.nameBytesPerAddress');
    expect(names.shareOf('10.0.0.2:1').change(80)).to.equal(undefined);
  });

  const givenBack: readonly [string, (share: ReturnType<NameBudget['shareOf']>) => unknown][] = [
    ['asked for no more', (share) => share.change(-100)],
    ['those of a stream that has ended', (share) => share.end()],
  ];
  for (const [what, giveBack] of givenBack)
    it(`make room when they are ${what}`, () => {
      const names = budget();
      for (let round = 0; round < 10; round++) {
        const share = names.shareOf('10.0.0.1:1');
        expect(share.change(100)).to.equal(undefined);
        giveBack(share);
      }
    });
});

describe('the limits of names', () => {
  const services = 5_000;
  /** Of an Envoy of so many services, with names of 40 letters and versions of 64. */
  const named = services * (40 + 64);
  const brought = 2 * services * (40 + 64 + 64 + 64);

  it('let in an Envoy of 5,000 services that brings along clusters and endpoints', () => {
    expect(named + brought).to.be.lessThan(defaultLimits.nameBytesPerStream);
    expect(4 * services).to.equal(defaultLimits.namesPerSubscription);
  });

  it('let in a thousand of them behind one address, as many as join at once just come back', () => {
    const { joiningAtOnce, nameBytesPerAddress } = defaultLimits;
    expect(1_000 * named + joiningAtOnce * brought).to.be.lessThan(nameBytesPerAddress);
  });
});
