import { expect } from 'chai';
import fc from 'fast-check';
import { isExposed, type ExposedService } from '../../../src/fleet/exposed.js';
import { exposedServices } from '../../../src/fleet/exposed_services.js';
import { emptyFleet, type Fleet, type ProbeReport } from '../../../src/fleet/fleet.js';
import { merge } from '../../../src/fleet/merge.js';
import { catalogueOf, offering, registration, report } from './registered.js';

const exposing = (name: string, prefix: boolean, tools: readonly string[] = ['*']) =>
  registration({ name, expose: { prefix, tools } });

function fleetOf(registrations: ReturnType<typeof exposing>[], probes: ProbeReport): Fleet {
  return merge([report('file', registrations)], probes, emptyFleet).fleet;
}

const named = (services: readonly ExposedService[]) =>
  services.map(({ name, tools }) => [name, ...tools.map((tool) => tool.name)].join(' '));

describe('what agents see of a service', () => {
  describe('which tools', () => {
    const cases: readonly [string, readonly string[], readonly string[]][] = [
      ['all by *', ['*'], ['get-sum', 'get-env', 'put']],
      ['none by no pattern', [], []],
      ['by exact name', ['put'], ['put']],
      ['by what it begins and ends with', ['get-*', '*ut'], ['get-sum', 'get-env', 'put']],
      ['by what stands in its middle', ['*t-s*'], ['get-sum']],
      ['all but the hidden one, where patterns only hide', ['!get-env'], ['get-sum', 'put']],
      ['the hidden one not, after *', ['*', '!get-*'], ['put']],
      ['the last pattern that matches decides', ['!get-*', '*', '!put'], ['get-sum', 'get-env']],
      ['what looks like a regular expression is only text', ['get.sum', 'p|put', '[a-z]+'], []],
    ];
    for (const [requirement, patterns, shown] of cases) {
      it(requirement, () => {
        const all = ['get-sum', 'get-env', 'put'];
        expect(all.filter((tool) => isExposed(tool, patterns))).to.deep.equal(shown);
      });
    }

    it('agrees with a regular expression for any pattern', () => {
      const text = fc.string({ unit: fc.constantFrom('a', 'b', '-') });
      const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*') });
      fc.assert(
        fc.property(pattern, text, (glob, tool) => {
          const matches = new RegExp(`^${glob.replaceAll('*', '.*')}$`).test(tool);
          expect(isExposed(tool, [glob])).to.equal(matches);
        }),
        { numRuns: 2_000 },
      );
    });

    it('is decided at once for a pattern and a name made to be slow', () => {
      expect(isExposed('a'.repeat(5_000), [`${'*a'.repeat(40)}*b`])).to.equal(false);
    });

    it('hides a name with a line break like any other', () => {
      expect(isExposed('get-\nenv', ['*', '!get-*'])).to.equal(false);
    });
  });

  it('names a tool by its service, or as it is called at home', () => {
    const fleet = fleetOf(
      [exposing('claims', true), exposing('policy', false)],
      offering({ claims: ['file'], policy: ['renew'] }),
    );
    const views = exposedServices(fleet);
    expect(named(views)).to.deep.equal(['claims claims__file', 'policy renew']);
    expect(views[0]?.tools[0]).to.deep.equal({
      name: 'claims__file',
      tool: 'file',
      definition: { name: 'file' },
    });
  });

  it('leaves out a tool whose name is too long for clients', () => {
    const tools = ['x'.repeat(58), 'y'.repeat(57)];
    const fleet = fleetOf([exposing('clam', true)], offering({ clam: [...tools, 'z'.repeat(59)] }));
    expect(exposedServices(fleet)[0]?.tools.map(({ tool }) => tool)).to.deep.equal(tools);
  });

  it('shows a tool once that its server lists twice', () => {
    const fleet = fleetOf([exposing('claims', true)], offering({ claims: ['file', 'file'] }));
    expect(named(exposedServices(fleet))).to.deep.equal(['claims claims__file']);
  });

  it('leaves a name that two services expose with the first of them', () => {
    const fleet = fleetOf(
      [exposing('b', false), exposing('a', false)],
      offering({ a: ['look'], b: ['look', 'other'] }),
    );
    expect(named(exposedServices(fleet))).to.deep.equal(['a look', 'b other']);
  });

  it('leaves the names under its prefix to a service, whoever comes before it', () => {
    const fleet = fleetOf(
      [exposing('a', false), exposing('b', true)],
      offering({ a: ['b__look', 'mine'], b: ['look'] }),
    );
    expect(named(exposedServices(fleet))).to.deep.equal(['a mine', 'b b__look']);
  });

  it('tells only the eras it may be spoken to in', () => {
    const catalogue = { ...catalogueOf(), eras: ['modern', 'legacy'] as const };
    const probes: ProbeReport = new Map([['claims', { catalogue, failure: undefined }]]);
    const erasFor = (era: 'auto' | 'modern' | 'legacy') =>
      exposedServices(fleetOf([registration({ era })], probes))[0]?.eras;
    expect(erasFor('auto')).to.deep.equal(['modern', 'legacy']);
    expect(erasFor('legacy')).to.deep.equal(['legacy']);
    expect(erasFor('modern')).to.deep.equal(['modern']);
  });

  describe('why a list may be incomplete', () => {
    const failure = { code: 'server_unreachable', message: 'claims is away.' } as const;
    const cases: readonly [string, boolean, ProbeReport, string | undefined][] = [
      ['it is not, while all is well', true, offering({ claims: [] }), undefined],
      ['it was never asked', true, new Map(), 'it has not been asked yet'],
      [
        'it did not answer',
        true,
        new Map([['claims', { catalogue: undefined, failure }]]),
        failure.message,
      ],
      [
        'none of its instances passes its checks',
        false,
        offering({ claims: [] }),
        'no instance passes its checks',
      ],
    ];
    for (const [requirement, passing, probes, missing] of cases) {
      it(requirement, () => {
        const fleet = fleetOf([registration({ passing, checkedBy: 'registry' })], probes);
        expect(exposedServices(fleet)[0]?.missing).to.equal(missing);
      });
    }
  });

  it('keeps showing the tools of a service that is away', () => {
    const failure = { code: 'server_unreachable', message: 'away' } as const;
    const probes = new Map([['claims', { catalogue: catalogueOf('file'), failure }]]);
    expect(named(exposedServices(fleetOf([registration()], probes)))).to.deep.equal([
      'claims claims__file',
    ]);
  });

  it('is the same object while nothing changed, also without the names others have', () => {
    const [a, b] = [exposing('a', false), exposing('b', false)];
    const probes = offering({ a: ['look'], b: ['look', 'other'] });
    const fleet = fleetOf([a, b], probes);
    const { fleet: next } = merge(
      [report('file', [a, b, exposing('c', true)])],
      new Map([...probes]),
      fleet,
    );
    const [before, after] = [exposedServices(fleet), exposedServices(next)];
    expect(after).to.have.length(3);
    expect(after[0]).to.equal(before[0]);
    expect(after[1]).to.equal(before[1]);
  });

  it('is another object once a name has gone to another service', () => {
    const probes = offering({ a: ['look'], b: ['look', 'other'] });
    const b = exposing('b', false);
    const fleet = fleetOf([exposing('a', false), b], probes);
    const [, withA] = exposedServices(fleet);
    const { fleet: alone } = merge([report('file', [b])], probes, fleet);
    const [withoutA] = exposedServices(alone);
    expect(withoutA).not.to.equal(withA);
    expect(withoutA && named([withoutA])).to.deep.equal(['b look other']);
  });
});
