/** What a rollout makes of a service's endpoints. */
import { expect } from 'chai';
import fc from 'fast-check';
import type { Registration, Service } from '../../../src/fleet/fleet.js';
import type { Phase, Rollout } from '../../../src/fleet/rollout.js';
import type { Move } from '../../../src/rollout/advance.js';
import { loadAssignment, versionAssignment } from '../../../src/resources/endpoint.js';
import { registration, serviceOf } from '../fleet/registered.js';
import { after as afterMoves, inPhase, rolloutIn, ways } from '../rollout/rollouts.js';

let ports = 1;
const instance = (version: string, fields: Partial<Registration> = {}): Registration =>
  registration({ version, port: ports++, checkedBy: 'registry', ...fields });

/** After an earlier rollout, which was about other versions. */
const within = (current: Rollout, ...registrations: readonly Registration[]): Service =>
  after([rolloutIn('promoted', { from: '0.8.0', to: '0.9.0' })], current, ...registrations);

const after = (
  earlier: readonly Rollout[],
  current: Rollout,
  ...registrations: readonly Registration[]
): Service => ({
  ...serviceOf(...registrations),
  rollout: { source: 'file', document: { current, earlier } },
});

const at = (share: number): Rollout => rolloutIn('running', { steps: [share, 100] });

/** `2.0.0 a 0: 500000, HEALTHY`, a line a locality. */
const places = (service: Service): readonly string[] =>
  (loadAssignment(service).endpoints ?? []).map(
    ({ locality, priority, load_balancing_weight: weight, lb_endpoints: endpoints = [] }) =>
      `${locality?.sub_zone ?? ''}${locality?.zone ?? ''} ${priority ?? 0}: ` +
      `${weight?.value ?? 'none'} ` +
      [...new Set(endpoints.map(({ health_status: status }) => status))].join(' '),
  );

const factorOf = (service: Service) =>
  loadAssignment(service).policy?.overprovisioning_factor?.value;

const [old, fresh] = [instance('1.0.0'), instance('2.0.0')];

describe('the endpoints of a service in a rollout', () => {
  it('have the share of their version, however many they are', () => {
    const service = within(at(5), old, fresh, instance('2.0.0'), instance('2.0.0'));
    expect(places(service)).to.deep.equal(['1.0.0 0: 950000 HEALTHY', '2.0.0 0: 50000 HEALTHY']);
  });

  it('divide it among the zones of the version, by the weight of what passes there', () => {
    const service = within(
      at(50),
      old,
      instance('2.0.0', { zone: 'a', weight: 100 }),
      instance('2.0.0', { zone: 'a', weight: 100 }),
      instance('2.0.0', { zone: 'b', weight: 300 }),
      instance('2.0.0', { zone: 'b', weight: 1000, passing: false }),
    );
    expect(places(service)).to.deep.equal([
      ...['1.0.0 0: 500000 HEALTHY', '2.0.0a 0: 200000 HEALTHY'],
      '2.0.0b 0: 300000 HEALTHY UNHEALTHY',
    ]);
  });

  it('never have a weight of 0, which Envoy refuses, and add up to their shares', () => {
    const one = fc.record({
      version: fc.constantFrom('1.0.0', '2.0.0', '3.0.0'),
      zone: fc.constantFrom('', 'a', 'b'),
      weight: fc.integer({ min: 1, max: 1000 }),
      priority: fc.nat({ max: 3 }),
      passing: fc.boolean(),
    });
    const fleets = fc.array(one, { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(fleets, fc.double({ min: 0.01, max: 99.99, noNaN: true }), (made, share) => {
        const all = made.map(({ version, ...fields }) => instance(version, fields));
        const { endpoints = [] } = loadAssignment(within(at(share), ...all));
        const weights = endpoints.map(({ load_balancing_weight: weight }) => weight?.value);
        for (const weight of weights)
          if (weight !== undefined) expect(weight).to.satisfy(Number.isInteger).and.be.at.least(1);
        expect(weights.some((weight) => weight !== undefined)).to.equal(true);
        const passes = (version: string) =>
          made.some((each) => each.passing && each.version === version);
        if (!passes('1.0.0') || !passes('2.0.0')) return;
        const sum = endpoints
          .filter(({ locality }) => locality?.sub_zone === '2.0.0')
          .reduce((total, { load_balancing_weight: weight }) => total + (weight?.value ?? 0), 0);
        expect(sum).to.be.closeTo(share * 10_000, endpoints.length);
      }),
    );
  });

  it('have no priorities while shares are divided, and hold them by one healthy host', () => {
    const standby = instance('1.0.0', { priority: 1 });
    const service = within(at(25), old, standby, instance('2.0.0', { priority: 7 }));
    expect(places(service)).to.deep.equal(['1.0.0 0: 750000 HEALTHY', '2.0.0 0: 250000 HEALTHY']);
    expect(factorOf(service)).to.equal(100_000);
  });

  it('drain in place while their version has no share, and the others stay as healthy', () => {
    const standby = instance('1.0.0', { priority: 3 });
    const failing = instance('2.0.0', { passing: false });
    const service = within(rolloutIn('aborted'), old, standby, fresh, failing);
    expect(places(service)).to.deep.equal([
      ...['1.0.0 0: 100 HEALTHY', '1.0.0 1: 100 HEALTHY'],
      '2.0.0 0: none DRAINING UNHEALTHY',
    ]);
    // A host of three may be called, and counts as one of one does.
    expect(factorOf(service)).to.equal(140 * 3);
  });

  it('are as ever when only one version is left, or none of them passes', () => {
    const promoted = within(rolloutIn('promoted'), fresh, instance('2.0.0', { priority: 2 }));
    expect(factorOf(promoted)).to.equal(undefined);
    expect(places(promoted)).to.deep.equal(['2.0.0 0: 100 HEALTHY', '2.0.0 1: 100 HEALTHY']);
    const dead = [old, fresh].map((each) => ({ ...each, passing: false }));
    expect(places(within(at(25), ...dead))).to.deep.equal([
      ...['1.0.0 0: 100 UNHEALTHY', '2.0.0 0: 100 UNHEALTHY'],
    ]);
  });

  it('are there as unhealthy while they are staged: a forged session may not lead to them', () => {
    expect(places(within(rolloutIn('staged'), old, fresh))).to.deep.equal([
      ...['1.0.0 0: 100 HEALTHY', '2.0.0 0: none UNHEALTHY'],
    ]);
  });

  const staged = rolloutIn('staged');
  const match = [{ header: 'x-team', value: 'qa' }];
  const occasions: Readonly<Record<string, Service>> = {
    'some callers are matched': within(rolloutIn('staged', { match }), old, fresh),
    'it was switched and rolled back': within(
      rolloutIn('staged', { events: inPhase('switched').current.events }),
      ...[old, fresh],
    ),
    'it was in a rollout before': after([rolloutIn('aborted')], staged, old, fresh),
    'the service never had a rollout, so it took calls by weight': after([], staged, old, fresh),
  };
  for (const [when, service] of Object.entries(occasions))
    it(`drain though staged where sessions may be on them: ${when}`, () => {
      expect(places(service)).to.deep.equal(['1.0.0 0: 100 HEALTHY', '2.0.0 0: none DRAINING']);
    });

  it('serve though staged, when nobody else does', () => {
    const service = within(rolloutIn('staged'), { ...old, passing: false }, fresh);
    expect(places(service)).to.deep.equal(['2.0.0 0: 100 HEALTHY', '1.0.0 0: none UNHEALTHY']);
  });

  it('go wholly to one version in the phases that say so', () => {
    const first: Readonly<Partial<Record<Phase, string>>> = {
      ...{ promoted: '2.0.0', switched: '2.0.0', finished: '2.0.0' },
      ...{ aborted: '1.0.0', rolled_back: '1.0.0', staged: '1.0.0' },
    };
    for (const [phase, version] of Object.entries(first))
      expect(places(within(rolloutIn(phase as Phase), old, fresh))[0], phase).to.equal(
        `${version} 0: 100 HEALTHY`,
      );
  });
});

describe('the endpoints of a version that is retired', () => {
  const retired = (...moves: readonly Move[]) => afterMoves(...moves, 'retire').current;
  const newest = instance('3.0.0');
  const next = rolloutIn('running', { from: '2.0.0', to: '3.0.0', steps: [25, 100] });

  for (const [phase, left] of [
    ['promoted', '2.0.0'],
    ['finished', '2.0.0'],
    ['aborted', '1.0.0'],
    ['rolled_back', '1.0.0'],
  ] as const)
    it(`are gone when its rollout was ${phase}: only ${left} is left`, () => {
      const service = within(retired(...ways[phase]), old, fresh, newest);
      expect(places(service)).to.deep.equal([`${left} 0: 100 HEALTHY`]);
    });

  it('are back when the rollout is rolled back; Envoy may still find them unwell', () => {
    const back = afterMoves('start', 'promote', 'retire', 'rollback').current;
    const service = within(back, old, fresh);
    expect(places(service)).to.deep.equal(['1.0.0 0: 100 HEALTHY', '2.0.0 0: 100 DEGRADED']);
    expect(factorOf(service), 'one that is well takes all').to.equal(100_000);
    const sooner = afterMoves('start', 'promote', 'rollback').current;
    expect(places(within(sooner, old, fresh)).at(-1)).to.equal('2.0.0 0: none DRAINING');
  });

  it('are back when a canary sends everything to it at once, in the same way', () => {
    const start = { ...afterMoves('start').current, from: '2.0.0', to: '1.0.0', steps: [100] };
    const service = after([retired('start', 'promote')], start, old, fresh);
    expect(places(service)).to.deep.equal(['1.0.0 0: 100 HEALTHY', '2.0.0 0: 100 DEGRADED']);
    const first = after([], start, old, fresh);
    expect(places(first).at(-1)).to.equal('2.0.0 0: none DRAINING');
  });

  it('are back when a later rollout names it, staged or with a share', () => {
    const before = [retired('start', 'promote')];
    const again = { from: '2.0.0', to: '1.0.0' };
    const staged = after(before, rolloutIn('staged', again), old, fresh);
    expect(places(staged)).to.deep.equal(['2.0.0 0: 100 HEALTHY', '1.0.0 0: none DRAINING']);
    const running = after(before, rolloutIn('running', again), old, fresh);
    expect(places(running)).to.have.length(2);
  });

  it('stay gone through a later rollout of others', () => {
    const service = after([retired('start', 'promote')], next, old, fresh, newest);
    expect(places(service)).to.deep.equal(['2.0.0 0: 750000 HEALTHY', '3.0.0 0: 250000 HEALTHY']);
  });

  it('drain on where a later rollout began before its time was over', () => {
    const service = after([rolloutIn('promoted')], next, old, fresh, newest);
    expect(places(service).at(-1)).to.equal('1.0.0 0: none DRAINING');
    const ended = { ...retired('start', 'promote'), from: '2.0.0', to: '3.0.0' };
    const over = after([rolloutIn('promoted')], ended, old, fresh, newest);
    expect(places(over)).to.deep.equal(['3.0.0 0: 100 HEALTHY']);
  });

  it('serve all the same while nobody else can, rather than none', () => {
    const service = within(retired('start', 'promote'), old, { ...fresh, passing: false });
    expect(places(service)).to.deep.equal(['1.0.0 0: 100 HEALTHY', '2.0.0 0: none UNHEALTHY']);
    const dead = [old, fresh].map((each) => ({ ...each, passing: false }));
    expect(places(within(retired('start', 'promote'), ...dead))).to.deep.equal([
      '2.0.0 0: 100 UNHEALTHY',
    ]);
  });
});

describe('the endpoints of one version by itself', () => {
  it('are its own, with their priorities', () => {
    const service = within(at(25), old, fresh, instance('2.0.0', { priority: 4 }));
    const { cluster_name: name, endpoints = [] } = versionAssignment(service, '2.0.0');
    expect(name).to.equal('claims@2.0.0');
    const told = endpoints.map(({ locality, priority }) => [locality?.sub_zone, priority]);
    expect(told).to.deep.equal([
      ['2.0.0', 0],
      ['2.0.0', 1],
    ]);
  });
});
