import { expect } from 'chai';
import fc from 'fast-check';
import { PersistentMap } from '../../../src/persistent_map.js';

const name = fc.integer({ min: 0, max: 200 }).map((number) => `n${number}`);
const change = fc.tuple(name, fc.option(fc.integer(), { nil: undefined }));
const steps = fc.array(fc.array(change, { maxLength: 30 }), { maxLength: 20 });

describe('a persistent map', () => {
  it('holds what a plain map would, and earlier ones stay as they were', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const plain = new Map<string, number>();
        let persistent = PersistentMap.of<number>();
        const earlier: [PersistentMap<number>, Map<string, number>][] = [];
        for (const changes of all) {
          earlier.push([persistent, new Map(plain)]);
          persistent = persistent.with(changes);
          for (const [key, value] of changes)
            if (value === undefined) plain.delete(key);
            else plain.set(key, value);
        }
        for (const [map, expected] of [...earlier, [persistent, plain] as const]) {
          expect(new Map(map)).to.deep.equal(expected);
          expect(map.size).to.equal(expected.size);
          expect([...map.keys()].every((key) => map.get(key) === expected.get(key))).to.equal(true);
        }
      }),
    );
  });

  it('names exactly what differs from any earlier one', () => {
    fc.assert(
      fc.property(steps, fc.nat(), (all, pick) => {
        const maps = [PersistentMap.of<number>()];
        for (const changes of all) maps.push(maps.at(-1)!.with(changes));
        const [one, other] = [maps[pick % maps.length]!, maps.at(-1)!];
        const names = new Set([...one.keys(), ...other.keys()]);
        const expected = [...names].filter((each) => one.get(each) !== other.get(each)).sort();
        expect([...other.differences(one)].sort()).to.deep.equal(expected);
        expect([...one.differences(other)].sort()).to.deep.equal(expected);
      }),
    );
  });

  it('is the same object when nothing of it is changed', () => {
    const map = PersistentMap.of([['a', 1]]);
    expect(map.with([['a', 1]])).to.equal(map);
    expect(map.with([['b', undefined]])).to.equal(map);
  });
});
