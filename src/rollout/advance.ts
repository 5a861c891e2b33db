/**
 * The state machine of rollouts: one table says what may happen in which phase. A
 * transition makes a whole new document, written by compare-and-set, so it happens
 * once or not at all; what the control plane does by itself names the state it was
 * decided on, and is refused when another replica was faster.
 */
import { failed, problem, succeeded, type Outcome } from '../errors.js';
import type { Phase, Rollout, RolloutDocument, RolloutEvent } from '../fleet/rollout.js';
import { isRetired, loserOf } from './drain.js';
import {
  openedBluegreen,
  openedCanary,
  passingOf,
  type BluegreenPlan,
  type CanaryPlan,
  type Occasion,
} from './opening.js';
import { shareOfNew, shareWords } from './shares.js';
import { listed } from './words.js';

/** What can happen to a rollout. */
export type Move = RolloutEvent['what'];

/** What the control plane alone does, when its time has come. */
type OwnMove = 'advance' | 'retire';
const ownMoves: readonly string[] = ['advance', 'retire'] satisfies readonly OwnMove[];

/** The state that an action was decided on. */
export type Seen = Pick<Rollout, 'id' | 'phase' | 'step'>;

export type Action =
  | { readonly what: 'start'; readonly plan: CanaryPlan; readonly why: string }
  | { readonly what: 'stage'; readonly plan: BluegreenPlan; readonly why: string }
  | { readonly what: OwnMove; readonly why: string; readonly seen: Seen }
  | {
      readonly what: Exclude<Move, 'start' | 'stage' | OwnMove>;
      readonly why: string;
      /** Absent: whatever the state is, as an operator means it. */
      readonly seen?: Seen;
    };

interface Transition {
  readonly to: Phase;
  readonly step: 'same' | 'next' | 'last';
  /** The version that traffic moves to, which must have an instance that passes. */
  readonly needs?: 'from' | 'to';
}

const opening = {
  start: { to: 'running', step: 'same', needs: 'to' },
  stage: { to: 'staged', step: 'same', needs: 'to' },
} as const satisfies Partial<Record<Move, Transition>>;

/** An action that is not in a phase's row is refused there. `none`: no rollout ever. */
export const transitions: Readonly<
  Record<Phase | 'none', Readonly<Partial<Record<Move, Transition>>>>
> = {
  none: opening,
  running: {
    advance: { to: 'running', step: 'next', needs: 'to' },
    pause: { to: 'paused', step: 'same' },
    promote: { to: 'promoted', step: 'last', needs: 'to' },
    abort: { to: 'aborted', step: 'same' },
  },
  paused: {
    resume: { to: 'running', step: 'same', needs: 'to' },
    promote: { to: 'promoted', step: 'last', needs: 'to' },
    abort: { to: 'aborted', step: 'same' },
  },
  promoted: {
    ...opening,
    rollback: { to: 'rolled_back', step: 'same', needs: 'from' },
    retire: { to: 'promoted', step: 'same' },
  },
  staged: {
    switch: { to: 'switched', step: 'same', needs: 'to' },
    abort: { to: 'aborted', step: 'same' },
  },
  switched: {
    rollback: { to: 'staged', step: 'same', needs: 'from' },
    finish: { to: 'finished', step: 'same', needs: 'to' },
  },
  finished: {
    ...opening,
    rollback: { to: 'rolled_back', step: 'same', needs: 'from' },
    retire: { to: 'finished', step: 'same' },
  },
  aborted: { ...opening, retire: { to: 'aborted', step: 'same' } },
  rolled_back: { ...opening, retire: { to: 'rolled_back', step: 'same' } },
};

/** How many ended rollouts a document remembers: a registry bounds its values. */
const remembered = 20;

export function apply(
  document: RolloutDocument | undefined,
  action: Action,
  occasion: Occasion,
): Outcome<RolloutDocument> {
  const current = document?.current;
  const transition = transitions[current?.phase ?? 'none'][action.what];
  if (!transition) return refused(occasion, impossible(current, action.what));
  if (action.what === 'start' || action.what === 'stage') {
    const opened =
      action.what === 'start'
        ? openedCanary(action.plan, document, occasion)
        : openedBluegreen(action.plan, document, occasion);
    if (!opened.ok) return opened;
    const rollout: Rollout = { ...opened.value, phase: transition.to, events: [] };
    const earlier = document ? [document.current, ...document.earlier].slice(0, remembered) : [];
    return succeeded({ current: recorded(rollout, undefined, action, occasion), earlier });
  }
  if (!document || !current) return refused(occasion, impossible(current, action.what));
  const objection = objectionTo(current, action, transition, occasion);
  if (objection !== undefined) return refused(occasion, objection);
  const step = stepAfter(current, transition);
  // Who does not hold the shares of before is not asked of those of now.
  const here = { phase: transition.to, step, stepSince: occasion.now, held: undefined };
  const moved = { ...current, ...here };
  return succeeded({ ...document, current: recorded(moved, current.phase, action, occasion) });
}

function stepAfter({ step, steps }: Rollout, transition: Transition): number {
  if (transition.step === 'last') return steps.length - 1;
  return transition.step === 'next' ? step + 1 : step;
}

function recorded(
  rollout: Rollout,
  from: Phase | undefined,
  { what, why }: Action,
  { now, who }: Occasion,
): Rollout {
  const share = shareOfNew(rollout);
  const event: RolloutEvent = { at: now, who, what, from, to: rollout.phase, share, why };
  return { ...rollout, events: [...rollout.events, event] };
}

/** Why an action that the phase knows cannot be done all the same. */
function objectionTo(
  current: Rollout,
  action: Exclude<Action, { readonly what: 'start' | 'stage' }>,
  transition: Transition,
  { versions }: Occasion,
): string | undefined {
  const { seen } = action;
  const isSame = (state: Seen): boolean =>
    state.id === current.id && state.phase === current.phase && state.step === current.step;
  if (seen && !isSame(seen))
    return `${described(current)}: it went on in between, so nothing was done. Look again.`;
  // The phase stays, so it alone does not tell that it was done.
  if (action.what === 'retire' && isRetired(current))
    return `${described(current)}: ${loserOf(current)} is retired already.`;
  if (transition.step === 'next' && stepAfter(current, transition) >= current.steps.length)
    return `${described(current)}: there is no step after this one. Promote it.`;
  const { needs } = transition;
  if (needs === undefined || passingOf(versions, current[needs]) > 0) return undefined;
  const version = current[needs];
  return (
    `${described(current)}: ${action.what} sends calls to ${version}, of which no instance ` +
    `passes its checks. Start one, then try again.`
  );
}

const described = ({ service, kind, from, to, phase }: Rollout): string =>
  `The ${kind} of ${service} ${from} → ${to} is ${phase.replace('_', ' ')}`;

/** What ends a rollout in each open phase. */
const endings: Partial<Record<Phase, string>> = {
  running: 'Promote or abort it first.',
  paused: 'Promote or abort it first.',
  staged: 'Abort it, or switch and finish it first.',
  switched: 'Finish it, or roll it back and abort it first.',
};

const isTakenBack = (phase: Phase): boolean => phase === 'aborted' || phase === 'rolled_back';

function impossible(current: Rollout | undefined, what: Move): string {
  if (!current) return `There is no rollout to ${what}. Begin one with start or stage.`;
  const ending = endings[current.phase];
  if ((what === 'start' || what === 'stage') && ending !== undefined)
    return `${described(current)} at ${shareWords(current)}: one at a time. ${ending}`;
  if (what === 'rollback' && isTakenBack(current.phase))
    return `${described(current)}: there is nothing left to take back.`;
  const moves = Object.keys(transitions[current.phase]);
  const possible = moves.filter((move) => !ownMoves.includes(move));
  return `${described(current)}: ${what} is not possible now; ${listed(possible)} ${
    possible.length === 1 ? 'is' : 'are'
  }.`;
}

const refused = ({ service }: Occasion, message: string): Outcome<never> =>
  failed(problem('rollout_refused', { service }, message));
