import { expect } from 'chai';
import { apply, type Action } from '../../../src/rollout/advance.js';
import type { CanaryPlan, VersionFacts } from '../../../src/rollout/opening.js';
import {
  applied,
  bothVersions,
  canaryPlan,
  facts,
  inPhase,
  limits,
  minute,
  occasion,
  refusals,
} from './rollouts.js';

const start = (plan: Partial<CanaryPlan> = {}): Action => ({
  ...{ what: 'start', plan: { ...canaryPlan, ...plan }, why: '' },
});

const startedAmong = (versions: ReadonlyMap<string, VersionFacts>, plan?: Partial<CanaryPlan>) =>
  refusals(undefined, start(plan), occasion({ versions }));

describe('a canary begins', () => {
  it('at its first step, from the version that serves', () => {
    const { current, earlier } = applied(undefined, start());
    expect(current).to.deep.include({
      ...{ id: 'r1', service: 'claims', kind: 'canary', from: '1.0.0', to: '2.0.0' },
      ...{ phase: 'running', steps: [5, 50, 100], step: 0, stepSince: 1_000_000 },
      ...{ everyMs: 600_000, limits, match: [], mirror: 0 },
    });
    expect(earlier).to.deep.equal([]);
  });

  it('with 10 minutes to drain for who loses, unless another time is given, or a wrong one', () => {
    expect(applied(undefined, start()).current.drainMs).to.equal(10 * minute);
    expect(applied(undefined, start({ drainMs: 0 })).current.drainMs).to.equal(0);
    for (const drainMs of [-1, NaN, Infinity])
      expect(refusals(undefined, start({ drainMs })).join()).to.include('0 s or more');
  });

  it('with 100 as its last step, asked for or not', () => {
    expect(applied(undefined, start({ steps: [5, 25] })).current.steps).to.deep.equal([5, 25, 100]);
  });

  it('with copies only as its first step where calls are copied, before any share', () => {
    const { current } = applied(undefined, start({ steps: [5, 25], mirror: 10 }));
    expect(current).to.deep.include({ steps: [0, 5, 25, 100], step: 0, mirror: 10 });
    expect(current.events.map(({ share }) => share)).to.deep.equal([0]);
    expect(applied(undefined, start({ steps: [100], mirror: 1 })).current.steps).to.deep.equal([
      ...[0, 100],
    ]);
  });

  it('from the version that the last rollout left, whatever else is registered', () => {
    const versions = new Map([...bothVersions(), ['3.0.0', facts()]]);
    const shipping = start({ to: '3.0.0' });
    const from = (['promoted', 'aborted', 'finished', 'rolled_back'] as const).map(
      (phase) => applied(inPhase(phase), shipping, occasion({ versions })).current.from,
    );
    expect(from).to.deep.equal(['2.0.0', '1.0.0', '2.0.0', '1.0.0']);
  });

  it('from the other version of the last rollout when the one that it left is gone', () => {
    const versions = new Map(['1.0.0', '3.0.0', '4.0.0'].map((version) => [version, facts()]));
    const { current } = applied(
      inPhase('promoted'),
      start({ to: '4.0.0' }),
      occasion({ versions }),
    );
    expect(current.from).to.equal('1.0.0');
  });

  it('from the only one that passes where no rollout says which serves', () => {
    const versions = new Map([...bothVersions({ '1.0.0': { passing: 0 } }), ['3.0.0', facts()]]);
    const { current } = applied(undefined, start({ to: '3.0.0' }), occasion({ versions }));
    expect(current.from).to.equal('2.0.0');
  });
});

describe('a blue-green stands ready', () => {
  it('without traffic and with nobody to judge', () => {
    const { current } = applied(undefined, { what: 'stage', plan: { to: '2.0.0' }, why: '' });
    expect(current).to.deep.include({
      ...{ kind: 'bluegreen', phase: 'staged', steps: [100], step: 0, limits: undefined },
    });
    expect(current.events[0]?.share).to.equal(0);
  });
});

describe('a rollout is refused', () => {
  it('to a version that nobody registered', () => {
    expect(startedAmong(bothVersions(), { to: '2.1.0' }).join()).to.include(
      'There is no version 2.1.0; present: 1.0.0 and 2.0.0. Register an instance of it first.',
    );
  });

  it('to a version of which no instance passes', () => {
    expect(startedAmong(bothVersions({ '2.0.0': { passing: 0 } }))).to.deep.equal([
      'No instance of 2.0.0 passes its checks (of 2). Mend one first.',
    ]);
  });

  it('to the version that serves', () => {
    const only = new Map([['2.0.0', facts()]]);
    const words = ['2.0.0 serves already: there is nothing to ship.'];
    expect(startedAmong(only)).to.deep.equal(words);
    expect(refusals(inPhase('promoted'), start())).to.deep.equal(words);
  });

  it('from a version that does not serve', () => {
    expect(refusals(inPhase('promoted'), start({ to: '3.0.0', from: '1.0.0' }))[0]).to.equal(
      '1.0.0 does not serve now; 2.0.0 does.',
    );
  });

  it('when several versions serve and it is not said which one leaves', () => {
    const versions = new Map([...bothVersions(), ['3.0.0', facts()]]);
    expect(startedAmong(versions, { to: '3.0.0' })).to.deep.equal([
      '1.0.0 and 2.0.0 serve now: name the one that leaves, with --from.',
    ]);
    expect(startedAmong(versions, { to: '3.0.0', from: '2.0.0' })).to.deep.equal([]);
  });

  it('between versions on different paths', () => {
    expect(startedAmong(bothVersions({ '2.0.0': { path: '/v2' } })).join()).to.include(
      '1.0.0 and 2.0.0 are served on different paths, /mcp and /v2',
    );
  });

  it('between versions of different eras, when both are known', () => {
    expect(startedAmong(bothVersions({ '2.0.0': { eras: ['modern'] } })).join()).to.include(
      '1.0.0 and 2.0.0 speak different eras, legacy and modern',
    );
    expect(startedAmong(bothVersions({ '2.0.0': { eras: undefined } }))).to.deep.equal([]);
  });

  const badSteps: readonly (readonly [readonly number[], string])[] = [
    [[], 'needs steps'],
    [[25, 5], 'Steps rise, each above the one before; these are 25, 5.'],
    [[5, 5, 100], 'Steps rise'],
    [[5, 100, 50], 'Steps rise'],
    [[0, 50], 'whole percents from 1 to 100; these are 0, 50.'],
    [[50, 101], 'whole percents'],
    [[2.5], 'whole percents'],
    [[Number.NaN], 'whole percents'],
  ];
  for (const [steps, words] of badSteps)
    it(`with the steps [${steps.join(', ')}]`, () => {
      expect(startedAmong(bothVersions(), { steps }).join()).to.include(words);
    });

  for (const everyMs of [0, -1, Number.NaN, Infinity])
    it(`with steps of ${everyMs} ms`, () => {
      expect(startedAmong(bothVersions(), { everyMs })).to.have.length(1);
    });

  it('with limits that cannot be', () => {
    const wrong = { maxErrorRate: 1, maxP99Increase: -0.1, minCalls: 0 };
    expect(startedAmong(bothVersions(), { limits: wrong })).to.have.length(3);
    expect(startedAmong(bothVersions(), { mirror: 101 })).to.have.length(1);
  });

  it('with all that is wrong at once, each with its place', () => {
    const action = start({ to: '9.0.0', steps: [], everyMs: 0 });
    const outcome = apply(undefined, action, occasion({ versions: new Map([['1.0.0', facts()]]) }));
    const said = outcome.ok
      ? []
      : outcome.problems.map(({ code, subject }) => [code, subject.path]);
    expect(said).to.deep.equal([
      ['request_invalid', 'steps'],
      ['request_invalid', 'everyMs'],
      ['rollout_refused', undefined],
    ]);
  });
});
