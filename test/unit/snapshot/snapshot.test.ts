import { expect } from 'chai';
import fc from 'fast-check';
import { buildSnapshot, earlierForms, type Snapshot } from '../../../src/snapshot/snapshot.js';
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

  describe('remembers how a resource was before', () => {
    const marked = (...marks: readonly number[]) => ({
      cluster: marks.map((mark, index) => edsCluster(`c${index}`, mark)),
    });
    const first = snapshotOf(marked(1, 1));
    const second = snapshotOf(marked(2, 1), first);
    const third = snapshotOf(marked(3, 1), second);
    const before = (snapshot: Snapshot, name: string) => earlierForms(snapshot, 'cluster', name);
    const formsOf = (...snapshots: readonly Snapshot[]) =>
      snapshots.map(({ resources }) => resources.cluster.get('c0'));

    it('the very object, and nothing of what never changed', () => {
      expect(before(second, 'c0')).to.have.ordered.members(formsOf(first));
      expect(before(second, 'c1')).to.be.empty;
      expect(before(first, 'c0')).to.be.empty;
    });

    it('also after others have changed', () => {
      expect(before(snapshotOf(marked(2, 2), second), 'c0')).to.deep.equal(formsOf(first));
    });

    it('two forms and no more, newest first', () => {
      expect(before(third, 'c0')).to.deep.equal(formsOf(second, first));
      const fourth = snapshotOf(marked(4, 1), third);
      expect(before(fourth, 'c0')).to.deep.equal(formsOf(third, second));
    });

    it('and never the present one', () => {
      const again = snapshotOf(marked(1, 1), second);
      expect(before(again, 'c0')).to.deep.equal(formsOf(second));
    });

    it('until it goes', () => {
      const gone = snapshotOf({}, second);
      expect(before(gone, 'c0')).to.be.empty;
      expect(before(snapshotOf(marked(2), gone), 'c0')).to.be.empty;
    });
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
