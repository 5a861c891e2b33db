import { expect } from 'chai';
import { Repetitions } from '../../../src/xds/repetitions.js';

describe('repetitions', () => {
  it('are counted for each thing that is said', () => {
    const repetitions = new Repetitions();
    const counts = ['a', 'b', 'a', 'a'].map((words) => repetitions.count(words));
    expect(counts).to.deep.equal([1, 1, 2, 3]);
  });

  it('of what is never twice the same are no news for ever (point 43)', () => {
    const repetitions = new Repetitions();
    const said = Array.from({ length: 1_000 }, (_, index) => `${index}`);
    const news = said.filter((words) => repetitions.count(words) === 1);
    expect(news).to.have.length(20);
    expect(repetitions.count('0'), 'it is still known').to.equal(2);
  });
});
