import { expect } from 'chai';
import { PersistentMap } from '../../../src/persistent_map.js';
import type { Resource } from '../../../src/snapshot/snapshot.js';
import { Subscription, type Variant, type Wish } from '../../../src/xds/subscription.js';

const nothing = PersistentMap.of<Resource>();
const resource = (name: string): Resource => ({ name, version: '1', bytes: Buffer.from(name) });
const wish = (parts: Partial<Wish>): Wish => ({
  ...{ subscribe: [], unsubscribe: [], held: new Map(), ...parts },
});

describe('the names of a subscription', () => {
  describe('weigh what it takes to remember them: their letters and 64 each', () => {
    const cases: readonly [string, readonly Partial<Wish>[], number][] = [
      ['nothing named', [{}], 0],
      ['two names', [{ subscribe: ['a', 'bcd'] }], 1 + 64 + 3 + 64],
      ['one named twice', [{ subscribe: ['a', 'a'] }, { subscribe: ['a'] }], 65],
      ['everything is no name', [{ subscribe: ['*'] }], 0],
      ['one that is dropped', [{ subscribe: ['a', 'b'] }, { unsubscribe: ['a', 'a', 'x'] }], 65],
      ['all dropped', [{ subscribe: ['a', 'b'] }, { unsubscribe: ['b', 'a'] }], 0],
      [
        'one brought along with a version',
        [{ subscribe: ['a'], held: new Map([['a', 'v1']]) }],
        65 + 65 + 66,
      ],
      ['one brought along and not wanted', [{ held: new Map([['a', 'v1']]) }], 0],
      [
        'one brought along and dropped',
        [{ subscribe: ['a'], held: new Map([['a', 'v1']]) }, { unsubscribe: ['a'] }],
        0,
      ],
    ];
    for (const [what, wishes, bytes] of cases)
      it(what, () => {
        const subscription = new Subscription('endpoint');
        for (const each of wishes) subscription.change(wish(each), nothing);
        expect(subscription.nameBytes).to.equal(bytes);
      });

    it('what was brought along weighs nothing once the client holds what all hold', () => {
      const present = PersistentMap.of([['a', resource('a')]]);
      const subscription = new Subscription('endpoint');
      subscription.change(wish({ subscribe: ['a'], held: new Map([['a', 'old']]) }), present);
      expect(subscription.nameBytes).to.be.greaterThan(65);
      subscription.sent('1', present);
      subscription.acknowledge('1', present);
      expect(subscription.nameBytes).to.equal(65);
    });

    it('the same for all that name the same', () => {
      const [one, other] = [new Subscription('endpoint'), new Subscription('endpoint')];
      one.change(wish({ subscribe: ['a', 'b'] }), nothing);
      other.change(wish({ subscribe: ['b', 'a'] }), nothing);
      expect([one.nameBytes, other.nameBytes]).to.deep.equal([130, 130]);
      one.change(wish({ unsubscribe: ['a'] }), nothing);
      expect([one.nameBytes, other.nameBytes]).to.deep.equal([65, 130]);
    });
  });

  describe('are dropped together: a map is not copied for each', () => {
    const names = Array.from({ length: 1_000 }, (_, index) => `service-${index}`);
    const present = PersistentMap.of(names.map((name) => [name, resource(name)]));

    /** How many maps are made of others meanwhile. */
    function copies(work: () => void): number {
      const { prototype } = PersistentMap;
      const kept = Object.getOwnPropertyDescriptor(prototype, 'with')!;
      const original = kept.value as (...given: unknown[]) => unknown;
      let count = 0;
      const value = function counted(this: unknown, ...given: unknown[]) {
        count += 1;
        return original.apply(this, given);
      };
      Object.defineProperty(prototype, 'with', { ...kept, value });
      try {
        work();
      } finally {
        Object.defineProperty(prototype, 'with', kept);
      }
      return count;
    }

    const drops: readonly [Variant, (subscription: Subscription) => void][] = [
      ['incremental', (each) => each.change(wish({ unsubscribe: names }), present)],
      [
        'state of the world',
        (each) => each.replace({ names: ['other'], returning: false }, present),
      ],
    ];
    for (const [variant, drop] of drops)
      it(variant, () => {
        const subscription = new Subscription('endpoint', variant);
        if (variant === 'incremental') subscription.change(wish({ subscribe: names }), present);
        else subscription.replace({ names, returning: false }, present);
        subscription.sent('1', present);
        subscription.acknowledge('1', present);
        expect(copies(() => drop(subscription))).to.be.at.most(3);
        expect([subscription.held.size, subscription.wants(names[0]!)]).to.deep.equal([0, false]);
      });

    it('and recognised together', () => {
      const subscription = new Subscription('endpoint');
      const held = new Map(names.map((name) => [name, '1']));
      subscription.change(wish({ subscribe: names, held }), undefined);
      expect(copies(() => subscription.notice(names, present))).to.equal(1);
      expect(subscription.pending(present)).to.deep.equal([]);
    });
  });
});
