import { expect } from 'chai';
import { connected, emptyCatalogue, fold } from '../../../src/mcp/catalogue_fold.js';

const service = (name: string, more: object = {}): string =>
  JSON.stringify({ service: { name, eras: ['legacy'], capabilities: {}, tools: [], ...more } });
const removed = (name: string): string => JSON.stringify({ removed: name });
const synced = '{"synced":true}';

const names = (folded: ReturnType<typeof fold>): string[] => [
  ...folded.folding.state.services.keys(),
];

describe('the catalogue stream', () => {
  it('is what was sent, less what was removed', () => {
    const folded = fold(connected(emptyCatalogue), [
      service('a'),
      service('b'),
      synced,
      removed('a'),
      service('c'),
    ]);
    expect(names(folded)).to.deep.equal(['b', 'c']);
  });

  it('keeps the last known after a reconnect until it is synced, and forgets the rest then', () => {
    const before = fold(connected(emptyCatalogue), [service('a'), service('b'), synced]);
    const again = fold(connected(before.folding.state), [service('b', { missing: 'away' })]);
    expect(names(again)).to.deep.equal(['a', 'b']);
    expect(again.folding.state.services.get('b')?.missing).to.equal('away');
    expect(names(fold(again.folding, [synced]))).to.deep.equal(['b']);
  });

  it('is heard with the first line, also while the control plane waits for a registry', () => {
    expect(connected(emptyCatalogue).state.heard).to.equal(false);
    expect(fold(connected(emptyCatalogue), ['{}']).folding.state.heard).to.equal(true);
  });

  it('does not change by a sign of life, so nothing is built again', () => {
    const { folding } = fold(connected(emptyCatalogue), [service('a'), synced]);
    expect(fold(folding, ['{}']).folding.state.services).to.equal(folding.state.services);
  });

  it('passes over a line it does not understand and says which', () => {
    const lines = ['nonsense', service('a'), '{"service":{"name":1}}'];
    const folded = fold(connected(emptyCatalogue), lines);
    expect(names(folded)).to.deep.equal(['a']);
    expect(folded.unreadable).to.deep.equal([lines[0], lines[2]]);
  });
});
