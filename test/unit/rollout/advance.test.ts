import { expect } from 'chai';
import type { Phase, RolloutDocument } from '../../../src/fleet/rollout.js';
import { apply, transitions, type Move } from '../../../src/rollout/advance.js';
import { shareOfNew } from '../../../src/rollout/shares.js';
import {
  actionOf,
  after,
  applied,
  bothVersions,
  canaryPlan,
  inPhase,
  minute,
  occasion,
  refusals,
  ways,
} from './rollouts.js';

const phases = Object.keys(ways) as Phase[];
const moves: readonly Move[] = [
  ...(['start', 'stage', 'advance', 'pause', 'resume'] as const),
  ...(['promote', 'abort', 'switch', 'rollback', 'finish', 'retire'] as const),
];
/** What each phase lets happen, written down a second time: phase → move → phase, share. */
const expected: Record<Phase, Partial<Record<Move, readonly [Phase, number]>>> = {
  running: {
    advance: ['running', 50],
    pause: ['paused', 5],
    promote: ['promoted', 100],
    abort: ['aborted', 0],
  },
  paused: { resume: ['running', 5], promote: ['promoted', 100], abort: ['aborted', 0] },
  promoted: { rollback: ['rolled_back', 0], retire: ['promoted', 100] },
  aborted: { start: ['running', 5], stage: ['staged', 0], retire: ['aborted', 0] },
  staged: { switch: ['switched', 100], abort: ['aborted', 0] },
  switched: { rollback: ['staged', 0], finish: ['finished', 100] },
  finished: { rollback: ['rolled_back', 0], retire: ['finished', 100] },
  rolled_back: { start: ['running', 5], stage: ['staged', 0], retire: ['rolled_back', 0] },
};
/** Where the new version has won, what it was shipped as cannot be shipped again. */
const shipsAgain = (phase: Phase, move: Move): boolean =>
  (phase === 'promoted' || phase === 'finished') && (move === 'start' || move === 'stage');

describe('a rollout', () => {
  describe('in each phase', () => {
    for (const phase of phases)
      for (const move of moves) {
        const target = expected[phase][move];
        const words = target ? `goes on to ${target[0]} at ${target[1]} %` : 'is refused';
        it(`${phase}: ${move} ${words}`, () => {
          const before = inPhase(phase);
          const outcome = apply(before, actionOf(move, before), occasion({ id: 'r2' }));
          const reached = outcome.ok
            ? [outcome.value.current.phase, shareOfNew(outcome.value.current)]
            : undefined;
          expect(reached).to.deep.equal(target);
          if (!outcome.ok) expect(outcome.problems[0]?.code).to.equal('rollout_refused');
        });
      }

    it('has no transition that these rows do not name', () => {
      for (const phase of phases)
        for (const move of moves)
          expect(transitions[phase][move] !== undefined, `${phase} ${move}`).to.equal(
            expected[phase][move] !== undefined || shipsAgain(phase, move),
          );
    });
  });

  it('writes down who did what, from where to where, at which share, and why', () => {
    const { events } = after('start', 'advance', 'abort').current;
    expect(events).to.deep.equal([
      ...[{ at: 1_000_000, who: 'ana', what: 'start', from: undefined, to: 'running' }].map(
        (event) => ({ ...event, share: 5, why: '' }),
      ),
      {
        ...{ at: 1_000_000, who: 'ana', what: 'advance', from: 'running', to: 'running' },
        ...{ share: 50, why: 'time' },
      },
      {
        ...{ at: 1_000_000, who: 'ana', what: 'abort', from: 'running', to: 'aborted' },
        ...{ share: 0, why: 'because' },
      },
    ]);
  });

  it('begins a step anew when it is resumed', () => {
    const resumed = applied(inPhase('paused'), actionOf('resume'), occasion({ now: 2_000_000 }));
    expect(resumed.current.stepSince).to.equal(2_000_000);
  });

  it('keeps those before it, the newest first, and of them twenty', () => {
    let document: RolloutDocument | undefined;
    for (let count = 1; count <= 25; count += 1) {
      document = applied(document, actionOf('start'), occasion({ id: `r${count}` }));
      document = applied(document, actionOf('abort'));
    }
    expect(document?.current.id).to.equal('r25');
    expect(document?.earlier.map(({ id }) => id)).to.deep.equal(
      Array.from({ length: 20 }, (_, index) => `r${24 - index}`),
    );
  });

  it('does not undo the rollout before when it is rolled back twice', () => {
    const shipped = applied(
      inPhase('promoted'),
      { what: 'start', plan: { ...canaryPlan, to: '3.0.0' }, why: '' },
      occasion({ versions: new Map([...bothVersions(), ['3.0.0', bothVersions().get('2.0.0')!]]) }),
    );
    const back = applied(shipped, actionOf('abort'));
    expect(refusals(back, actionOf('rollback'))).to.deep.equal([
      'The canary of claims 2.0.0 → 3.0.0 is aborted: there is nothing left to take back.',
    ]);
  });
});

describe('a refusal says what is possible', () => {
  const cases: readonly (readonly [Phase, Move, string])[] = [
    ['paused', 'pause', 'is paused: pause is not possible now; resume, promote and abort are.'],
    ['running', 'switch', 'is running: switch is not possible now; pause, promote and abort are.'],
    ['running', 'start', 'is running at 5 %: one at a time. Promote or abort it first.'],
    ['switched', 'stage', 'is switched at 100 %: one at a time. Finish it, or roll it back and'],
  ];
  for (const [phase, move, words] of cases)
    it(`${move} when ${phase}`, () => {
      const before = inPhase(phase);
      expect(refusals(before, actionOf(move, before)).join()).to.include(words);
    });

  it('when there is no rollout', () => {
    expect(refusals(undefined, actionOf('pause'))).to.deep.equal([
      'There is no rollout to pause. Begin one with start or stage.',
    ]);
  });

  it('when no instance passes of the version that calls would go to', () => {
    const noNew = occasion({ versions: bothVersions({ '2.0.0': { passing: 0 } }) });
    const noOld = occasion({ versions: bothVersions({ '1.0.0': { passing: 0 } }) });
    const to = [
      ...(['resume', 'promote'] as const).map((move) =>
        refusals(inPhase('paused'), actionOf(move), noNew),
      ),
      refusals(inPhase('staged'), actionOf('switch'), noNew),
      refusals(inPhase('switched'), actionOf('finish'), noNew),
    ].flat();
    const from = (['promoted', 'finished', 'switched'] as const).flatMap((phase) =>
      refusals(inPhase(phase), actionOf('rollback'), noOld),
    );
    expect(to).to.have.length(4);
    expect(from).to.have.length(3);
    for (const message of to) expect(message).to.include('sends calls to 2.0.0, of which no');
    for (const message of from) expect(message).to.include('sends calls to 1.0.0, of which no');
  });

  it('but pause and abort go without any instance', () => {
    const none = occasion({ versions: new Map() });
    expect(refusals(inPhase('running'), actionOf('pause'), none)).to.deep.equal([]);
    expect(refusals(inPhase('running'), actionOf('abort'), none)).to.deep.equal([]);
    expect(refusals(inPhase('staged'), actionOf('abort'), none)).to.deep.equal([]);
  });
});

describe('a transition that a crash may cut off', () => {
  const rows = phases.flatMap((phase) =>
    moves.filter((move) => expected[phase][move]).map((move) => [phase, move] as const),
  );

  for (const [phase, move] of rows) {
    it(`${phase} ${move}: before its write nothing has happened`, () => {
      const before = inPhase(phase);
      const kept = structuredClone(before);
      applied(before, actionOf(move, before));
      expect(before).to.deep.equal(kept);
    });

    it(`${phase} ${move}: after its write a replica that looks again does not do it twice`, () => {
      const before = inPhase(phase);
      const { id, phase: was, step } = before.current;
      const asked = actionOf(move, before);
      const action = 'plan' in asked ? asked : { ...asked, seen: { id, phase: was, step } };
      const written = applied(before, action, occasion({ now: minute }));
      expect(refusals(written, action, occasion({ now: 2 * minute }))).to.have.length(1);
    });

    // People do not ask for the next step, nor for a retirement.
    if (move === 'advance' || move === 'retire') continue;
    it(`${phase} ${move}: asked for twice by people it happens once`, () => {
      const before = inPhase(phase);
      const written = applied(before, actionOf(move, before));
      expect(refusals(written, actionOf(move, written))).to.have.length(1);
    });
  }

  it('starts the first of all once', () => {
    for (const move of ['start', 'stage'] as const)
      expect(refusals(after(move), actionOf(move))).to.have.length(1);
  });

  it('is refused by what it was decided on when somebody was faster', () => {
    const seen = inPhase('running').current;
    const faster = after('start', 'advance');
    expect(refusals(faster, { what: 'abort', why: 'errors at 5 %', seen })).to.deep.equal([
      'The canary of claims 1.0.0 → 2.0.0 is running: it went on in between, so nothing was ' +
        'done. Look again.',
    ]);
    expect(refusals(faster, { what: 'abort', why: 'as I say' })).to.deep.equal([]);
  });

  it('is refused when it was decided on another phase, or on the rollout before', () => {
    const seen = inPhase('running').current;
    const again = applied(inPhase('aborted'), actionOf('start'), occasion({ id: 'r2' }));
    for (const document of [inPhase('paused'), again])
      expect(refusals(document, { what: 'abort', why: 'errors', seen })).to.have.length(1);
  });

  it('gives the first share by the step after the copies, and says what stands before', () => {
    const plan = { ...canaryPlan, mirror: 10 };
    const copied = applied(undefined, { what: 'start', plan, why: '' });
    expect(refusals(copied, actionOf('start')).join()).to.contain('running at 0 % (copies only):');
    const shared = applied(copied, actionOf('advance', copied));
    expect([copied, shared].map(({ current }) => shareOfNew(current))).to.deep.equal([0, 5]);
    const resumed = applied(applied(copied, actionOf('pause')), actionOf('resume'));
    expect(shareOfNew(resumed.current)).to.equal(0);
  });

  it('takes no step after the last', () => {
    const last = after('start', 'advance', 'advance');
    expect(last.current.step).to.equal(2);
    expect(refusals(last, actionOf('advance', last)).join()).to.include('no step after this one');
  });
});
