import { expect } from 'chai';
import fc from 'fast-check';
import {
  emptyFleet,
  type PolicyOverride,
  type ProbeReport,
  type SourceName,
} from '../../../src/fleet/fleet.js';
import { translate, type Translation } from '../../../src/translate.js';
import { offering, registration, report, rolloutOf } from '../fleet/registered.js';
import { settingsIn } from '../pipeline/stage.js';

const settings = settingsIn('/nowhere');
const nothing = { fleet: emptyFleet, snapshot: undefined };

/** Few names, few addresses and few tools, so that they meet. */
const instance = fc.record({
  name: fc.constantFrom('a', 'b', 'c', 'd'),
  port: fc.integer({ min: 1, max: 6 }),
  version: fc.constantFrom('1.0.0', '2.0.0'),
  path: fc.constantFrom('/mcp', '/mcp', '/other'),
  weight: fc.constantFrom(1, 100),
  dependsOn: fc.uniqueArray(
    fc.record({
      service: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      range: fc.constantFrom('*', '^1', '^2'),
    }),
    { maxLength: 2, selector: ({ service }) => service },
  ),
  expose: fc.constantFrom({ prefix: true, tools: ['*'] }, { prefix: false, tools: ['*'] }),
});
const held = fc.uniqueArray(instance, { selector: ({ name, port }) => `${name} ${port}` });
const offered = fc.dictionary(
  fc.constantFrom('a', 'b', 'c', 'd'),
  fc.array(fc.constantFrom('look', 'find', 'a__look'), { maxLength: 3 }),
);
const rollouts = [undefined, rolloutOf('a'), rolloutOf('a', { phase: 'promoted' })];
const step = fc.record({
  source: fc.constantFrom<SourceName>('file', 'consul'),
  held,
  policies: fc.constantFrom<Readonly<Record<string, PolicyOverride>>>({}, { a: { era: 'legacy' } }),
  offered,
  rollout: fc.constantFrom(...rollouts),
});

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const reportOf = ({ source, held: all, policies, rollout }: Step) => ({
  ...report(
    source,
    all.map((each) => remembered(JSON.stringify({ source, ...each }), { source, ...each })),
    policies,
  ),
  rollouts: new Map(rollout ? [['a', rollout]] : []),
});

/** As registries do: what did not change is the same object. */
const known = new Map<string, ReturnType<typeof registration>>();
function remembered(key: string, fields: Parameters<typeof registration>[0]) {
  const found = known.get(key) ?? registration(fields);
  known.set(key, found);
  return found;
}

const seen = ({ fleet, snapshot, problems }: Translation) => ({
  fleet,
  problems,
  version: snapshot?.version,
  resources: Object.entries(snapshot?.resources ?? {}).map(([kind, resources]) => [
    kind,
    [...resources.values()].map(({ name, version }) => `${name} ${version}`).sort(),
  ]),
});

describe('translating from change to change', () => {
  it('comes to the very same as translating everything anew', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 2, maxLength: 8 }), (steps) => {
        const reports = new Map<SourceName, ReturnType<typeof report>>();
        let previous: Parameters<typeof translate>[0]['previous'] = nothing;
        for (const each of steps) {
          reports.set(each.source, reportOf(each));
          const probes: ProbeReport = offering(each.offered);
          const input = { reports: [...reports.values()], probes, settings };
          const next = translate({ ...input, previous });
          expect(seen(next)).to.deep.equal(seen(translate({ ...input, previous: nothing })));
          previous = next;
        }
      }),
    );
  }).timeout(20_000);

  it('makes the same snapshot object when nothing that Envoy hears of changed', () => {
    const reports = [report('file', [registration()])];
    const first = translate({ reports, probes: new Map(), settings, previous: nothing });
    const asked = offering({ claims: ['look'] });
    const next = translate({ reports, probes: asked, settings, previous: first });
    expect(next.fleet).not.to.equal(first.fleet);
    expect(next.snapshot).to.equal(first.snapshot);
  });
});
