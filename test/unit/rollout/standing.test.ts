import { expect } from 'chai';
import { uncheckedWords, versionsOf } from '../../../src/rollout/standing.js';
import { catalogueOf, registration, serviceOf } from '../fleet/registered.js';

const [old, fresh] = ['1.0.0', '2.0.0'];

describe('how the versions of a service stand', () => {
  function passing(checkedBy: 'envoy' | 'registry', silent: (ids: string[]) => string[]) {
    const instances = [3000, 3001, 3002].map((port, at) =>
      registration({ port, checkedBy, version: at === 0 ? old : fresh, id: `${port}` }),
    );
    const probe = { catalogue: catalogueOf('look'), failure: undefined };
    const ids = instances.map(({ id }) => id);
    const service = { ...serviceOf(...instances), probe: { ...probe, silent: silent(ids) } };
    return [...versionsOf(service)].map(([version, facts]) => [version, facts.passing]);
  }

  it('counts what passes', () => {
    expect(passing('envoy', () => [])).to.deep.equal([
      [old, 1],
      [fresh, 2],
    ]);
  });

  it('does not count what the probe finds silent where only Envoy checks', () => {
    const silent = passing('envoy', (ids) => ids.slice(1));
    expect(silent).to.deep.equal([
      [old, 1],
      [fresh, 0],
    ]);
  });

  it('believes a registry that checks', () => {
    const silent = passing('registry', (ids) => ids.slice(1));
    expect(silent).to.deep.equal([
      [old, 1],
      [fresh, 2],
    ]);
  });
});

describe('a version that nobody checks', () => {
  const words = (...unchecked: readonly boolean[]) =>
    uncheckedWords(
      serviceOf(
        registration({ version: old }),
        ...unchecked.map((isSo, at) =>
          registration({ version: fresh, port: 3001 + at, ...(isSo && { unchecked: true }) }),
        ),
      ),
      fresh,
    );

  it('is told, with what to do', () => {
    expect(words(true, true)).to.match(/^nobody checks 2\.0\.0: dead, .* a Check in Consul, or/);
    expect(words(true, false)).to.match(/^nobody checks 1 of the instances of 2\.0\.0:/);
  });

  it('is not told of one that is checked', () => {
    expect(words(false, false)).to.equal(undefined);
  });
});
