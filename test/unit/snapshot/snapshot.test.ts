import { expect } from 'chai';
import fc from 'fast-check';
import { buildSnapshot } from '../../../src/snapshot/snapshot.js';
import { assignment, edsCluster, encoded, snapshotOf } from './messages.js';

describe('snapshot', () => {
  it('has the same versions wherever and in whatever order it is built (point 14)', () => {
    const messages = ['a', 'b', 'c', 'd'].map((name) => edsCluster(name));
    const expected = snapshotOf({ cluster: messages });
    fc.assert(
      fc.property(fc.shuffledSubarray(messages, { minLength: 4 }), (cluster) => {
        const copies = cluster.map(({ name, bytes }) => ({ name, bytes: Buffer.from(bytes) }));
        expect(snapshotOf({ cluster: copies })).to.deep.equal(expected);
      }),
      { numRuns: 20 },
    );
  });

  it('is sorted by name', () => {
    const cluster = ['b', 'a', 'B', 'a-1'].map((name) => edsCluster(name));
    expect([...snapshotOf({ cluster }).resources.cluster.keys()]).to.deep.equal([
      'B',
      'a',
      'a-1',
      'b',
    ]);
  });

  it('gives the very same snapshot when nothing changed (point 17)', () => {
    const parts = { cluster: [edsCluster('a')], endpoint: [assignment('a')] };
    const first = snapshotOf(parts);
    const again = { cluster: [edsCluster('a')], endpoint: [assignment('a')] };
    expect(snapshotOf(again, first)).to.equal(first);
  });

  it('keeps the objects of what did not change and makes only the changed anew', () => {
    const endpoint = [assignment('a'), assignment('b')];
    const first = snapshotOf({ cluster: [edsCluster('a'), edsCluster('b')], endpoint });
    const next = snapshotOf({ cluster: [edsCluster('a'), edsCluster('b', 1)], endpoint }, first);
    expect(next.version).to.not.equal(first.version);
    expect(next.resources.endpoint).to.equal(first.resources.endpoint);
    expect(next.resources.cluster.get('a')).to.equal(first.resources.cluster.get('a'));
    expect(next.resources.cluster.get('b')).to.not.deep.equal(first.resources.cluster.get('b'));
  });

  it('notices a removal', () => {
    const first = snapshotOf({ cluster: [edsCluster('a'), edsCluster('b')] });
    const next = snapshotOf({ cluster: [edsCluster('a')] }, first);
    expect([...next.resources.cluster.keys()]).to.deep.equal(['a']);
    expect(next.version).to.not.equal(first.version);
  });

  it('cannot be changed afterwards', () => {
    const snapshot = snapshotOf({ cluster: [edsCluster('a')] });
    expect(snapshot).to.be.frozen;
    expect(snapshot.resources).to.be.frozen;
    expect(snapshot.resources.cluster.get('a')).to.be.frozen;
  });

  it('refuses two messages of one name (point 12)', () => {
    const cluster = [edsCluster('a'), edsCluster('a', 1)];
    expect(() => buildSnapshot(encoded({ cluster }))).to.throw('two messages of kind cluster');
  });
});
