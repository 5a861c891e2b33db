import { expect } from 'chai';
import { FairQueue } from '../../../src/xds/fair_queue.js';

describe('a fair queue', () => {
  /** `host connection item`, one after the other. */
  const queued = (...waiting: string[]) => {
    const queue = new FairQueue<string>();
    for (const each of waiting) {
      const [host = '', connection = '', item = ''] = each.split(' ');
      queue.add([host, connection], item);
    }
    return queue;
  };
  const all = (queue: FairQueue<string>) =>
    Array.from({ length: queue.size }, () => queue.take()).join(' ');

  const cases: readonly [string, readonly string[], string][] = [
    ['takes those of one connection in the order in which they came', ['a 1 x', 'a 1 y'], 'x y'],
    [
      'gives every host a turn, however many of another wait',
      ['a 1 x1', 'a 1 x2', 'a 2 x3', 'a 3 x4', 'b 1 y1', 'b 1 y2', 'c 1 z'],
      'x1 y1 z x3 y2 x4 x2',
    ],
    [
      'gives every connection of a host a turn, however many of another wait',
      ['a 1 x1', 'a 1 x2', 'a 1 x3', 'a 2 y'],
      'x1 y x2 x3',
    ],
    ['gives nothing where nobody waits', [], ''],
  ];
  for (const [what, waiting, order] of cases)
    it(what, () => {
      expect(all(queued(...waiting))).to.equal(order);
    });

  it('forgets who has left, and nobody else', () => {
    const queue = queued('a 1 x', 'a 1 y', 'b 1 z');
    expect(queue.delete(['a', '1'], 'x')).to.equal(true);
    expect(queue.delete(['a', '1'], 'x')).to.equal(false);
    expect(queue.delete(['c', '1'], 'x')).to.equal(false);
    expect([queue.size, queue.sizeOf('a'), queue.sizeOf('b')]).to.deep.equal([2, 1, 1]);
    expect(all(queue)).to.equal('y z');
  });

  it('has an even share for each host that waits', () => {
    const queue = queued('a 1 x', 'a 2 y');
    expect(queue.evenShare(10)).to.equal(10);
    queue.add(['b', '1'], 'z');
    expect(queue.evenShare(10)).to.equal(5);
    queue.clear();
    expect([queue.size, queue.evenShare(10), queue.take()]).to.deep.equal([0, 10, undefined]);
  });
});
