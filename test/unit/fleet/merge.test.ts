import { expect } from 'chai';
import fc from 'fast-check';
import { emptyFleet, type Fleet } from '../../../src/fleet/fleet.js';
import { merge } from '../../../src/fleet/merge.js';
import { offering, registration, report } from './registered.js';

const nothingAsked = new Map<string, never>();
const ids = ({ services }: Fleet) =>
  services.map(({ name, instances }) => [name, ...instances.map(({ id }) => id)].join(' '));

describe('merging reports into a fleet', () => {
  it('sorts services by name and instances by id', () => {
    const registrations = [
      registration({ name: 'policy', id: 'b' }),
      registration({ name: 'claims', id: 'z' }),
      registration({ name: 'policy', id: 'a', port: 3001 }),
    ];
    const { fleet } = merge([report('file', registrations)], nothingAsked, emptyFleet);
    expect(ids(fleet)).to.deep.equal(['claims z', 'policy a b']);
  });

  it('makes one service of the instances that several registries hold', () => {
    const reports = [
      report('file', [registration({ id: 'a', port: 3000 })]),
      report('consul', [registration({ id: 'b', port: 3001, source: 'consul' })]),
    ];
    expect(ids(merge(reports, nothingAsked, emptyFleet).fleet)).to.deep.equal(['claims a b']);
  });

  it('takes an address that two registries hold once, as Consul, etcd, file know it', () => {
    const reports = [
      report('file', [registration({ source: 'file' })]),
      report('etcd', [registration({ source: 'etcd' })]),
      report('consul', [registration({ source: 'consul' })]),
    ];
    const { fleet, problems } = merge(reports, nothingAsked, emptyFleet);
    expect(fleet.services[0]?.instances.map(({ source }) => source)).to.deep.equal(['consul']);
    expect(problems).to.deep.equal([]);
  });

  it('takes the policy of the newest version by semver, not by text', () => {
    const registrations = [
      registration({ id: 'a', port: 1, version: '9.0.0', era: 'legacy' }),
      registration({ id: 'b', port: 2, version: '10.0.0', era: 'modern' }),
    ];
    const { fleet } = merge([report('file', registrations)], nothingAsked, emptyFleet);
    expect(fleet.services[0]?.era).to.equal('modern');
  });

  it('lets a policy document override what instances say, block by block', () => {
    const expose = { prefix: false, tools: ['get-*'] };
    const reports = [report('consul', [registration()], { claims: { expose } })];
    const [claims] = merge(reports, nothingAsked, emptyFleet).fleet.services;
    expect(claims?.expose).to.deep.equal(expose);
    expect(claims?.traffic).to.deep.equal(registration().traffic);
  });

  it('believes Consul before etcd before the file where policy documents disagree', () => {
    const reports = [
      report('file', [registration()], { claims: { era: 'auto', expose: noPrefix } }),
      report('etcd', [], { claims: { era: 'legacy' } }),
      report('consul', [], { claims: { era: 'modern' } }),
    ];
    const [claims] = merge(reports, nothingAsked, emptyFleet).fleet.services;
    expect(claims?.era).to.equal('modern');
    expect(claims?.expose, 'said by nobody else').to.equal(noPrefix);
  });

  it('gives each service what the probe knows of it, and its failure as a problem', () => {
    const failure = { code: 'server_unreachable', message: 'claims is away.' } as const;
    const probes = new Map([['claims', { catalogue: undefined, failure }]]);
    const { fleet, problems } = merge([report('file', [registration()])], probes, emptyFleet);
    expect(fleet.services[0]?.probe).to.equal(probes.get('claims'));
    expect(problems).to.have.length(1);
    expect(problems[0]).to.deep.include({ code: 'server_unreachable', message: failure.message });
    expect(problems[0]?.subject).to.deep.equal({ service: 'claims' });
  });

  describe('when instances serve different paths', () => {
    const old = [1, 2].map((port) => registration({ id: `old-${port}`, port, path: '/mcp' }));
    const newcomer = registration({ id: 'new', port: 3, version: '2.0.0', path: '/v2/mcp' });

    it('leaves the newcomer out and goes on with the rest', () => {
      const reports = [report('file', [newcomer, ...old])];
      const { fleet, problems } = merge(reports, nothingAsked, emptyFleet);
      expect(ids(fleet)).to.deep.equal(['claims old-1 old-2']);
      expect(fleet.services[0]?.path).to.equal('/mcp');
      expect(problems.map(({ code, subject }) => [code, subject.instance])).to.deep.equal([
        ['registration_conflict', 'new'],
      ]);
    });

    it('keeps the older version of two', () => {
      const reports = [report('file', [newcomer, ...old.slice(0, 1)])];
      expect(ids(merge(reports, nothingAsked, emptyFleet).fleet)).to.deep.equal(['claims old-1']);
    });

    it('takes no policy from an instance that is left out', () => {
      const slow = { ...newcomer.traffic, timeoutMs: 1 };
      const reports = [report('file', [{ ...newcomer, traffic: slow }, ...old])];
      const [claims] = merge(reports, nothingAsked, emptyFleet).fleet.services;
      expect(claims?.traffic.timeoutMs).to.equal(30_000);
    });

    it('moves on once most instances have moved', () => {
      const moved = registration({ id: 'newer', port: 4, version: '2.0.0', path: '/v2/mcp' });
      const reports = [report('file', [newcomer, moved, ...old.slice(0, 1)])];
      const [claims] = merge(reports, nothingAsked, emptyFleet).fleet.services;
      expect(claims?.path).to.equal('/v2/mcp');
    });
  });

  describe('names of tools', () => {
    const two = (prefixOfA: boolean, prefixOfB: boolean) =>
      report('file', [
        registration({ name: 'a', expose: { prefix: prefixOfA, tools: ['*'] } }),
        registration({ name: 'b', port: 3001, expose: { prefix: prefixOfB, tools: ['*'] } }),
      ]);
    const hidden = (reports: ReturnType<typeof two>, tools: Parameters<typeof offering>[0]) =>
      merge([reports], offering(tools), emptyFleet).problems.map(
        ({ code, subject, message }) =>
          `${code} ${subject.service ?? ''} ${subject.path ?? ''}: ${message}`,
      );

    it('says which tool is hidden because an earlier service exposes its name', () => {
      const [said, ...more] = hidden(two(false, false), { a: ['look'], b: ['look'] });
      expect(more).to.deep.equal([]);
      expect(said).to.match(/^tool_name_unusable b tools\.look: .*hidden: a exposes the same name/);
    });

    it('keeps a service from taking a name under the prefix of another', () => {
      const [said] = hidden(two(false, true), { a: ['b__look'], b: ['look'] });
      expect(said).to.match(/^tool_name_unusable a tools\.b__look: .*b exposes the same name/);
    });

    it('says which name is too long for clients', () => {
      const reports = two(true, true);
      const [said] = hidden(reports, { a: ['x'.repeat(61), 'x'.repeat(62)] });
      expect(said).to.include('has 65 characters and clients take 64');
      expect(hidden(reports, { a: ['x'.repeat(61)] })).to.deep.equal([]);
    });

    it('says that a server lists a name twice, without blaming a prefix', () => {
      const said = hidden(two(true, true), { a: ['look', 'look'] });
      expect(said).to.have.length(1);
      expect(said[0]).to.include('its server lists several tools of this name');
    });

    it('says nothing of tools that are not to be shown', () => {
      const reports = report('file', [
        registration({ name: 'a', expose: { prefix: false, tools: ['*', '!look'] } }),
        registration({ name: 'b', port: 3001, expose: { prefix: false, tools: ['*'] } }),
      ]);
      expect(hidden(reports, { a: ['look'], b: ['look'] })).to.deep.equal([]);
    });
  });

  describe('what stays the same object', () => {
    const [claims, policy] = [registration(), registration({ name: 'policy', port: 3001 })];
    const probes = offering({ claims: ['file'] });
    const first = merge([report('file', [claims, policy])], probes, emptyFleet).fleet;

    it('is the fleet when nothing changed, however the reports were made anew', () => {
      const again = merge([report('file', [policy, claims])], new Map(probes), first);
      expect(again.fleet).to.equal(first);
    });

    it('is every service but the one that changed', () => {
      const heavier = { ...policy, weight: 7 };
      const { services } = merge([report('file', [claims, heavier])], probes, first).fleet;
      expect(services[0]).to.equal(first.services[0]);
      expect(services[1]).not.to.equal(first.services[1]);
      expect(services[1]?.instances[0]?.weight).to.equal(7);
    });

    it('is not a service that was probed anew, nor one with another policy', () => {
      const probed = merge([report('file', [claims, policy])], offering({ claims: [] }), first);
      expect(probed.fleet.services[0]).not.to.equal(first.services[0]);
      const overridden = report('file', [claims, policy], { claims: { era: 'legacy' } });
      expect(merge([overridden], probes, first).fleet.services[0]?.era).to.equal('legacy');
    });

    it('still tells the problems of a service that did not change', () => {
      const conflict = [
        claims,
        { ...claims, id: 'new', port: 1, path: '/other', version: '2.0.0' },
      ];
      const reports = [report('file', conflict)];
      const before = merge(reports, probes, emptyFleet);
      expect(before.problems).to.have.length(1);
      expect(merge(reports, probes, before.fleet).problems).to.deep.equal(before.problems);
    });
  });

  it('gives the same fleet for the same registrations in any order', () => {
    const arbitrary = fc.uniqueArray(
      fc.record({
        name: fc.constantFrom('claims', 'policy'),
        port: fc.integer({ min: 1, max: 9 }),
        version: fc.constantFrom('1.0.0', '1.10.0', '2.0.0'),
        path: fc.constantFrom('/mcp', '/v2'),
        era: fc.constantFrom('auto' as const, 'legacy' as const),
      }),
      { selector: ({ name, port }) => `${name} ${port}` },
    );
    const shuffled = arbitrary.chain((items) =>
      fc.tuple(
        fc.constant(items),
        fc.shuffledSubarray(items, { minLength: items.length, maxLength: items.length }),
      ),
    );
    fc.assert(
      fc.property(shuffled, ([one, other]) => {
        const [a, b] = [one, other].map((items) =>
          merge([report('file', items.map(registration))], nothingAsked, emptyFleet),
        );
        expect(a?.fleet).to.deep.equal(b?.fleet);
        expect(a?.problems.length).to.equal(b?.problems.length);
      }),
    );
  });
});

const noPrefix = { prefix: false, tools: ['*'] };
