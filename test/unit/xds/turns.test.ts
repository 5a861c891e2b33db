import { expect } from 'chai';
import { Turns } from '../../../src/xds/turns.js';

const mebi = 1024 * 1024;
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

describe('turns of the event loop', () => {
  let written: string[];
  const writer = (name: string, bytes: number) => ({
    flush: () => {
      written.push(name);
      return bytes;
    },
  });
  beforeEach(() => (written = []));

  it('has many small ones written at once', () => {
    const turns = new Turns();
    for (const name of ['a', 'b', 'c']) turns.add(writer(name, 1_000));
    expect(written).to.deep.equal(['a', 'b', 'c']);
  });

  it('has no more written in one than its share: the rest waits (point 31)', async () => {
    const turns = new Turns();
    for (const name of ['a', 'b', 'c', 'd', 'e']) turns.add(writer(name, 5 * mebi));
    expect(written).to.deep.equal(['a', 'b']);
    await nextTurn();
    expect(written).to.deep.equal(['a', 'b', 'c', 'd']);
    await nextTurn();
    expect(written).to.deep.equal(['a', 'b', 'c', 'd', 'e']);
  });

  it('forgets whoever has left before its turn', async () => {
    const turns = new Turns();
    const late = writer('late', 1);
    turns.add(writer('a', 9 * mebi));
    turns.add(late);
    turns.leave(late);
    await nextTurn();
    await nextTurn();
    expect(written).to.deep.equal(['a']);
  });
});
