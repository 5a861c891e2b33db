import { expect } from 'chai';
import type { ExposedService } from '../../../src/fleet/exposed.js';
import { Latest } from '../../../src/latest.js';
import type { CatalogueState } from '../../../src/mcp/catalogue_fold.js';
import { ListChanges, changedLists } from '../../../src/mcp/list_changes.js';
import { offerOf } from '../../../src/mcp/offer.js';
import { service, until } from './stage.js';

const stateOf = (...services: readonly ExposedService[]): CatalogueState => ({
  heard: true,
  services: new Map(services.map((each) => [each.name, each])),
});
const changed = (
  before: readonly ExposedService[],
  after: readonly ExposedService[],
  era: 'legacy' | 'modern' = 'legacy',
) => changedLists(offerOf(stateOf(...before).services), offerOf(stateOf(...after).services), era);

describe('which lists changed', () => {
  it('is told by what they hold, not by who is away', () => {
    const before = [service('a'), service('b')];
    const away = { missing: 'it cannot be reached', available: false };
    expect(changed(before, [service('a'), service('b', ['legacy'], away)])).to.deep.equal([]);
    expect(changed(before, [service('a')])).to.deep.equal(['tools']);
    expect(changed(before, [service('a')], 'modern')).to.deep.equal([]);
  });

  it('counts templates as resources, and a changed definition as a change', () => {
    const template = { resourceTemplates: [{ uriTemplate: 'x://{a}' }] };
    expect(changed([service('a')], [service('a', ['legacy'], template)])).to.deep.equal([
      'resources',
    ]);
    const prompt = (title: string) => ({
      prompts: [{ name: 'a__p', prompt: 'p', definition: { name: 'p', title } }],
    });
    const [old, fresh] = ['old', 'new'].map((title) => service('a', ['legacy'], prompt(title)));
    expect(changed([old!], [fresh!])).to.deep.equal(['prompts']);
  });
});

describe('telling that lists changed', () => {
  it('says it once for what comes together, and not what was taken back', async () => {
    const catalogue = new Latest(stateOf(service('a')));
    const changes = new ListChanges(catalogue);
    const stop = new AbortController();
    const told: string[] = [];
    changes.listen('legacy', (lists) => told.push(lists.join(' ')), stop.signal);
    catalogue.set(stateOf(service('a'), service('b')));
    catalogue.set(stateOf(service('a')));
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(told).to.deep.equal([]);
    catalogue.set(stateOf(service('a'), service('b')));
    catalogue.set(stateOf(service('a'), service('b'), service('c')));
    await until(() => told.length > 0);
    expect(told).to.deep.equal(['tools']);
    stop.abort();
    changes.close();
  });

  it('tells nobody who has left', async () => {
    const catalogue = new Latest(stateOf(service('a')));
    const changes = new ListChanges(catalogue);
    const [stays, leaves] = [new AbortController(), new AbortController()];
    const told: string[] = [];
    changes.listen('legacy', () => told.push('leaves'), leaves.signal);
    changes.listen('legacy', () => told.push('stays'), stays.signal);
    leaves.abort();
    catalogue.set(stateOf());
    await until(() => told.length > 0);
    expect(told).to.deep.equal(['stays']);
    stays.abort();
    changes.close();
  });
});
