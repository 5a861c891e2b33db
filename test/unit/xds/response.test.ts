import { expect } from 'chai';
import type { Draft } from '../../../src/xds/delivery.js';
import { sharedNumbering } from '../../../src/xds/response.js';
import { edsCluster, snapshotOf } from '../snapshot/messages.js';

const { resources, version } = snapshotOf({ cluster: [edsCluster('a'), edsCluster('b')] });
const everything: Draft = {
  ...{ variant: 'incremental', kind: 'cluster', version, content: resources.cluster },
  ...{ whole: undefined, own: false },
};
const named = (name: string): Draft => ({
  ...everything,
  content: new Map([[name, resources.cluster.get(name)]]),
});

describe('the numbers of responses', () => {
  it('are shared by streams that are to hear the same', () => {
    const numbered = sharedNumbering();
    expect(numbered(everything, 0)).to.equal(numbered(everything, 0));
    const a = numbered(named('a'), 0);
    numbered(named('b'), 0);
    expect(numbered(named('a'), 0)).to.equal(a);
  });

  const repeated: readonly [string, readonly Draft[]][] = [
    ['just after it', []],
    ['after something else', [named('a')]],
  ];
  for (const [when, between] of repeated)
    it(`are new where one stream hears the same again, ${when} (point 16)`, () => {
      const numbered = sharedNumbering();
      const first = numbered(everything, 0);
      let { number } = first;
      for (const draft of between) ({ number } = numbered(draft, number));
      const again = numbered(everything, number);
      expect(again.number).to.be.greaterThan(number);
      expect(again.nonce).not.to.equal(first.nonce);
    });

  it('are not shared with what one stream alone is to hear', () => {
    const numbered = sharedNumbering();
    const first = numbered(everything, 0);
    expect(numbered({ ...everything, own: true }, 0)).not.to.equal(first);
  });
});
