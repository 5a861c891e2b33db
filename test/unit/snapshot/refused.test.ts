import { expect } from 'chai';
import fc from 'fast-check';
import { inconsistencies } from '../../../src/snapshot/consistent.js';
import { isIn, withoutRefused, type RefusedForm } from '../../../src/snapshot/refused.js';
import {
  snapshotWith,
  type Resource,
  type ResourceKind,
  type Snapshot,
} from '../../../src/snapshot/snapshot.js';
import { assignment, edsCluster, listener, routes, snapshotOf } from './messages.js';

const services = ['a', 'b', 'c', 'd'] as const;

/** Marks: how far each service's cluster and endpoints, the listener and the routes have come. */
const fleet = (mark: (kind: ResourceKind, name: string) => number, named: readonly string[] = []) =>
  snapshotOf({
    cluster: services.map((name) => edsCluster(name, mark('cluster', name))),
    endpoint: services.map((name) => assignment(name, 1 + mark('endpoint', name))),
    listener: [listener('gateway', 'gateway', { mark: mark('listener', 'gateway') })],
    route: [routes('gateway', [':x-target', ...named], mark('route', 'gateway'))],
  });

const formIn = (snapshot: Snapshot, kind: ResourceKind, name: string, good?: Resource) => {
  const { version } = snapshot.resources[kind].get(name)!;
  return { kind, name, version, good };
};

const names = (snapshot: Snapshot, kind: ResourceKind) => [...snapshot.resources[kind].keys()];

describe('a snapshot without what is refused', () => {
  const before = fleet(() => 0);
  const wanted = fleet(() => 1);

  it('is the very same where nothing of it is refused', () => {
    const elsewhere = { ...formIn(wanted, 'cluster', 'a'), version: 'another' };
    expect(withoutRefused(wanted, [])).to.equal(wanted);
    expect(withoutRefused(wanted, [elsewhere])).to.equal(wanted);
  });

  for (const [kind, name] of [
    ['cluster', 'a'],
    ['endpoint', 'a'],
    ['listener', 'gateway'],
    ['route', 'gateway'],
  ] as const)
    it(`has the last good form of a refused ${kind}, and the rest as wanted`, () => {
      const good = before.resources[kind].get(name)!;
      const made = withoutRefused(wanted, [formIn(wanted, kind, name, good)]);
      expect(made.resources[kind].get(name)).to.equal(good);
      expect(made).to.deep.equal(snapshotWith(wanted, { [kind]: [[name, good]] }));
      expect(inconsistencies(made)).to.be.empty;
    });

  for (const kind of ['cluster', 'endpoint'] as const)
    it(`leaves a service out whose first ${kind} is refused: cluster and endpoints`, () => {
      const made = withoutRefused(wanted, [formIn(wanted, kind, 'b')]);
      expect(names(made, 'cluster')).to.have.members(['a', 'c', 'd']);
      expect(names(made, 'endpoint')).to.have.members(['a', 'c', 'd']);
      expect(inconsistencies(made)).to.be.empty;
    });

  it('leaves a service out whose endpoints have no good form, though its cluster has', () => {
    const good = before.resources.cluster.get('a');
    const refused = [formIn(wanted, 'cluster', 'a', good), formIn(wanted, 'endpoint', 'a')];
    expect(names(withoutRefused(wanted, refused), 'cluster')).not.to.include('a');
  });

  it('keeps what others cannot do without, and exchanges the rest', () => {
    const named = fleet(() => 1, ['a']);
    const refused = [formIn(named, 'cluster', 'a'), formIn(named, 'cluster', 'b')];
    const made = withoutRefused(named, refused);
    expect(names(made, 'cluster')).to.have.members(['a', 'c', 'd']);
    expect(isIn(made, refused[0]!), 'a route leads to it').to.equal(true);
    const [door] = [formIn(named, 'listener', 'gateway')];
    expect(withoutRefused(named, [door]), 'an Envoy without it would hear nobody').to.equal(named);
  });

  it('takes for good nothing that is refused by now', () => {
    const good = before.resources.cluster.get('a');
    const refused = [formIn(wanted, 'cluster', 'a', good), formIn(before, 'cluster', 'a')];
    expect(names(withoutRefused(wanted, refused), 'cluster')).not.to.include('a');
  });

  it('takes what stood in for a good form that is refused by now', () => {
    const [older, old] = [before, fleet(() => 2)].map((each) => each.resources.cluster.get('a'));
    const refused = [
      formIn(wanted, 'cluster', 'a', old),
      { ...formIn(wanted, 'cluster', 'a', older), version: old!.version },
    ];
    expect(withoutRefused(wanted, refused).resources.cluster.get('a')).to.equal(older);
    const inCircle = [refused[0]!, { ...refused[1]!, good: wanted.resources.cluster.get('a') }];
    expect(names(withoutRefused(wanted, inCircle), 'cluster')).not.to.include('a');
  });

  it('does without a good form that leads to what is gone', () => {
    const old = routes('gateway', [':x-target', 'gone']);
    const good = snapshotOf({ route: [old] }).resources.route.get('gateway');
    const refused = formIn(wanted, 'route', 'gateway', good);
    expect(withoutRefused(wanted, [refused])).to.equal(wanted);
  });

  it('never holds a refused form of a service, and always holds together', () => {
    const part = fc.record({
      kind: fc.constantFrom('cluster' as const, 'endpoint' as const, 'route' as const),
      name: fc.constantFrom(...services),
      hasGood: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.nat(3), fc.array(part, { maxLength: 6 }), (mark, parts) => {
        const [older, newer] = [fleet(() => mark), fleet(() => mark + 1)];
        const refused: RefusedForm[] = parts.map(({ kind, name, hasGood }) => {
          const known = kind === 'route' ? 'gateway' : name;
          const good = hasGood ? older.resources[kind].get(known) : undefined;
          return formIn(newer, kind, known, good);
        });
        const made = withoutRefused(newer, refused);
        expect(inconsistencies(made)).to.be.empty;
        for (const form of refused)
          if (form.kind !== 'route') expect(isIn(made, form)).to.equal(false);
        const touched = new Set(parts.map(({ kind, name }) => (kind === 'route' ? '' : name)));
        for (const name of services.filter((each) => !touched.has(each)))
          for (const kind of ['cluster', 'endpoint'] as const)
            expect(made.resources[kind].get(name)).to.equal(newer.resources[kind].get(name));
      }),
    );
  });
});
