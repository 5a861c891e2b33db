/** What a rollout costs the resources that it is not about. */
import { expect } from 'chai';
import { fleetChanges } from '../../../src/fleet/changes.js';
import type { Catalogue, Fleet, ProbeResult } from '../../../src/fleet/fleet.js';
import type { Phase, Rollout } from '../../../src/fleet/rollout.js';
import { decode } from '../../../src/protos.js';
import { renderChanges, renderEdge } from '../../../src/resources/render.js';
import { routeRule } from '../../../src/resources/rollout.js';
import { catalogueOf, registration, serviceOf } from '../fleet/registered.js';
import { settingsIn } from '../pipeline/stage.js';
import { rolloutIn, ways } from '../rollout/rollouts.js';

const settings = settingsIn('/nonexistent');
const versions = [registration(), registration({ version: '2.0.0', port: 3001 })];
const other = serviceOf(registration({ name: 'policy', port: 3002 }));
const plain = serviceOf(...versions);

const within = (current: Rollout, fields: Partial<typeof plain> = {}) => ({
  ...plain,
  rollout: { source: 'file' as const, document: { current, earlier: [] } },
  ...fields,
});

const fleetOf = (...services: Fleet['services']): Fleet => ({ services });
const match = [{ header: 'X-Team', value: 'qa' }];

/** Names of what a change touches; those of what it takes away with a minus. */
function touched(before: Fleet, after: Fleet): Readonly<Record<string, readonly string[]>> {
  const changes = renderChanges(fleetChanges(before, after), after, settings);
  return Object.fromEntries(
    Object.entries(changes).map(([kind, resources]) => [
      kind,
      [...resources].map(([name, bytes]) => (bytes ? name : `-${name}`)),
    ]),
  );
}

describe('a rollout', () => {
  const without = fleetOf(plain, other);

  it('adds a cluster of the new version when it begins, and takes it away when it ends', () => {
    const running = fleetOf(within(rolloutIn('running')), other);
    expect(touched(without, running)).to.deep.equal({
      ...{ cluster: ['claims', 'claims@2.0.0'], endpoint: ['claims', 'claims@2.0.0'] },
    });
    expect(touched(running, fleetOf(within(rolloutIn('aborted')), other))).to.deep.equal({
      ...{ cluster: ['-claims@2.0.0', 'claims'], endpoint: ['-claims@2.0.0', 'claims'] },
    });
    expect(touched(running, fleetOf(other))).to.deep.equal({
      ...{
        cluster: ['-claims', '-claims@2.0.0'],
        endpoint: ['-claims', '-claims@2.0.0'],
      },
    });
  });

  it('costs a step the endpoints alone', () => {
    const [five, fifty] = [5, 50].map((share) =>
      renderEdge(fleetOf(within(rolloutIn('running', { steps: [share, 100] })), other), settings),
    );
    const same = (kind: 'cluster' | 'listener' | 'route' | 'endpoint') =>
      five?.[kind].every(({ bytes }, index) => fifty?.[kind][index]?.bytes.equals(bytes));
    expect([same('cluster'), same('listener'), same('route')]).to.deep.equal([true, true, true]);
    expect(same('endpoint')).to.equal(false);
  });

  it('at 0 % is out of reach of sessions, as a staged one is, until it was sent some', () => {
    const earlier = [rolloutIn('promoted', { from: '0.9.0', to: '1.0.0' })];
    const shown = (current: Rollout) => {
      const rollout = { source: 'file' as const, document: { current, earlier } };
      const { endpoint } = renderEdge(fleetOf({ ...plain, rollout }), settings);
      return endpoint.map(({ bytes }) => bytes.toString('base64'));
    };
    const copied = { steps: [0, 5, 100], events: [] };
    const staged = shown(rolloutIn('staged', { events: [] }));
    for (const phase of ['running', 'paused'] as const)
      expect(shown(rolloutIn(phase, copied)), phase).to.deep.equal(staged);
    const [event] = rolloutIn('running').events;
    const had = { ...copied, events: [{ ...event!, share: 5 }] };
    expect(shown(rolloutIn('running', had))).not.to.deep.equal(staged);
  });

  it('watches the calls of its own service only while it is open', () => {
    const isWatched = (service: typeof plain) => {
      const { cluster } = renderEdge(fleetOf(service, other), settings);
      return cluster
        .filter(({ bytes }) => {
          const { typed_extension_protocol_options: options } = decode(
            'envoy.config.cluster.v3.Cluster',
            bytes,
          );
          return JSON.stringify(options ?? {}).includes('outcome_scan');
        })
        .map(({ name }) => name);
    };
    const open: readonly Phase[] = ['running', 'paused', 'staged', 'switched'];
    for (const phase of Object.keys(ways) as Phase[])
      expect(isWatched(within(rolloutIn(phase))), phase).to.deep.equal(
        open.includes(phase) ? ['claims', 'claims@2.0.0'] : [],
      );
    expect(isWatched(plain)).to.deep.equal([]);
  });

  it('touches the route only when a rule comes, changes or goes', () => {
    const ruled = fleetOf(within(rolloutIn('running', { match })), other);
    expect(touched(without, ruled)['route']).to.deep.equal(['gateway']);
    const moved = fleetOf(within(rolloutIn('running', { match, step: 1 })), other);
    expect(touched(ruled, moved)).not.to.have.property('route');
    const elsewhere = serviceOf(registration({ name: 'quote', port: 3003 }));
    const grown = fleetOf(...ruled.services, elsewhere);
    expect(touched(ruled, grown)).not.to.have.property('route');
    expect(touched(moved, fleetOf(within(rolloutIn('aborted')), other))['route']).to.deep.equal([
      'gateway',
    ]);
  });

  it('comes to the same route by a change as by rendering everything', () => {
    const ruled = fleetOf(within(rolloutIn('running', { match })), other);
    const changed = new Map(renderChanges(fleetChanges(without, ruled), ruled, settings).route);
    const whole = renderEdge(ruled, settings).route.find(({ name }) => name === 'gateway');
    expect(changed.get('gateway')).to.deep.equal(whole?.bytes);
    expect(renderEdge(without, settings).route).to.deep.equal(
      renderEdge(fleetOf(within(rolloutIn('aborted')), other), settings).route,
    );
  });
});

describe('the rule of a service', () => {
  const rule = (fields: Partial<Rollout>, phase: Phase = 'running') =>
    routeRule(within(rolloutIn(phase, fields)));

  it('names the header as Envoy has it, and the cluster of the new version', () => {
    expect(rule({ match })).to.deep.equal({
      ...{ cluster: 'claims@2.0.0', mirror: undefined },
      match: [{ header: 'x-team', value: 'qa' }],
    });
  });

  it('names callers by who their certificate says they are', () => {
    const principals = [{ principal: 'spiffe://mcpx/qa' }];
    expect(rule({ match: principals })?.match).to.deep.equal(principals);
  });

  it('is none without rules, when all have moved, and after the end', () => {
    expect(rule({})).to.equal(undefined);
    for (const phase of ['switched', 'promoted', 'aborted', 'finished', 'rolled_back'] as const)
      expect(rule({ match }, phase), phase).to.equal(undefined);
  });

  it('is none while no instance of the new version passes: the shares serve its callers', () => {
    const instances = plain.instances.map((each) => ({
      ...{ ...each, passing: each.version !== '2.0.0' },
    }));
    expect(routeRule(within(rolloutIn('running', { match }), { instances }))).to.equal(undefined);
  });

  /** The tools of a version, and whether each says that it only reads. */
  const saying = (tools: Readonly<Record<string, unknown>>): Catalogue => ({
    ...catalogueOf(),
    tools: Object.entries(tools).map(([name, readOnlyHint]) => ({
      ...{ name, annotations: { readOnlyHint } },
    })),
  });
  const mirrored = (old: Catalogue | undefined, fresh: Catalogue | undefined, mirror = 10) => {
    const known = { ...(old && { '1.0.0': old }), ...(fresh && { '2.0.0': fresh }) };
    const probe: ProbeResult = { catalogue: old, failure: undefined, versions: known };
    return routeRule(within(rolloutIn('running', { mirror }), { probe }))?.mirror;
  };

  it('copies what both versions say only reads, and nothing else', () => {
    const old = saying({ write: false, look: true, list: true, turned: true, odd: 'true' });
    const fresh = saying({ write: true, look: true, list: true, turned: false, odd: true });
    const expected = { share: 0.1, readOnlyTools: ['list', 'look'] };
    expect(mirrored(old, fresh)).to.deep.equal(expected);
  });

  it('copies nothing where a version did not say what it offers, or nobody asked for it', () => {
    const reading = saying({ look: true });
    expect(mirrored(reading, undefined)).to.equal(undefined);
    expect(mirrored(undefined, reading)).to.equal(undefined);
    expect(mirrored(reading, catalogueOf('look'))).to.equal(undefined);
    expect(mirrored(reading, reading, 0)).to.equal(undefined);
  });
});
