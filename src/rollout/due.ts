/**
 * What the control plane does with a rollout by itself, now: at most one thing a look,
 * or nothing and why. Time comes in as a number and only ever lets one step go: a clock
 * that jumps ahead ends one step early, a clock behind the step's beginning ends none.
 */
import type { Phase, Rollout } from '../fleet/rollout.js';
import type { Action } from './advance.js';
import { drainLeft, drainTime, isRetired, loserOf } from './drain.js';
import type { Verdict } from './judge.js';
import { passingOf, type Versions } from './opening.js';
import { getsCopiesOnly, shareWords } from './shares.js';
import { listed, spoken } from './words.js';

export interface Look {
  /** ms since the epoch. */
  readonly now: number;
  /** The rollouts before it, newest first: who lost in them may drain still. */
  readonly earlier: readonly Rollout[];
  readonly versions: Versions;
  /** Of the present step; undefined while there are no signals. Unused without limits. */
  readonly verdict: Verdict | undefined;
  /** Envoys that do not hold the present share yet. */
  readonly lagging: readonly LaggingNode[];
  /** Why the old version may not be taken from those who depend on it; asked before the end. */
  readonly oldIsNeeded?: string | undefined;
  /** Whether the registry that keeps the rollout is heard. */
  readonly registryHeard: boolean;
}

export interface LaggingNode {
  readonly node: string;
  /** It answered with a NACK rather than not at all. */
  readonly refused: boolean;
}

export interface Waiting {
  readonly what: 'wait';
  readonly why: string;
  /** ms until time alone may change it. */
  readonly againIn?: number;
}

/** What ends by itself next is promoted. */
export const isAtLastStep = ({ phase, steps, step }: Rollout): boolean =>
  phase === 'running' && step + 1 >= steps.length;

type Reason = (rollout: Rollout, look: Look) => Action | Waiting | undefined;

export function due(rollout: Rollout, look: Look): Action | Waiting {
  for (const reason of reasons[rollout.phase]) {
    const found = reason(rollout, look);
    if (found) return found;
  }
  return wait(`It has ended: ${rollout.phase}.`);
}

const wait = (why: string): Waiting => ({ what: 'wait', why });

const unheard: Reason = (_, { registryHeard }) =>
  registryHeard
    ? undefined
    : wait('The registry that keeps the rollout is not heard: shares stay, nothing advances.');

const newVersionGone: Reason = (rollout, { versions }) =>
  passingOf(versions, rollout.to) > 0
    ? undefined
    : act(rollout, 'pause', `No instance of ${rollout.to} passes its checks.`);

const foundBad: Reason = (rollout, { verdict, versions }) => {
  if (!rollout.limits || !verdict) return undefined;
  if (verdict.kind !== 'disaster' && verdict.kind !== 'bad') return undefined;
  if (rollout.kind === 'canary') return act(rollout, 'abort', verdict.why);
  if (passingOf(versions, rollout.from) > 0) return act(rollout, 'rollback', verdict.why);
  return wait(`${verdict.why} But no instance of ${rollout.from} passes: nothing to go back to.`);
};

const unacknowledged: Reason = (rollout, { lagging }) => {
  if (lagging.length === 0) return undefined;
  const named = (refused: boolean) =>
    lagging.filter((each) => each.refused === refused).map(({ node }) => node);
  const [refusing, silent] = [named(true), named(false)];
  const words = [
    ...(refusing.length > 0 ? [`refused by ${listed(refusing)}`] : []),
    ...(silent.length > 0 ? [`not acknowledged by ${listed(silent)}`] : []),
  ];
  return wait(`The share of ${shareWords(rollout)} is ${words.join(' and ')}.`);
};

const unsure: Reason = (rollout, { verdict }) => {
  if (!rollout.limits || (verdict && verdict.kind !== 'waiting')) return undefined;
  const why = verdict?.why ?? 'There are no signals of this step yet.';
  if (!getsCopiesOnly(rollout)) return wait(why);
  const copied = `read-only calls of modern clients at /mcp/${rollout.service}`;
  return wait(`${why} At 0 % it gets copies only: of ${rollout.mirror} % of the ${copied}.`);
};

const timeLeft: Reason = ({ stepSince, everyMs }, { now }) => {
  if (now < stepSince) {
    const ahead = spoken(stepSince - now);
    const why =
      `The clock jumped: this step began ${ahead} from now, so none of its time is over. ` +
      'Mend the clock, or pause and resume to begin the step anew.';
    return { what: 'wait', why, againIn: everyMs };
  }
  const left = everyMs - (now - stepSince);
  if (left <= 0) return undefined;
  return { what: 'wait', why: `The step has ${spoken(left)} to go.`, againIn: left };
};

const goesOn: Reason = (rollout, { verdict }) => {
  const judged = rollout.limits && verdict ? ` ${verdict.why}` : '';
  const why = `${spoken(rollout.everyMs)} at ${shareWords(rollout)}.${judged}`;
  return act(rollout, isAtLastStep(rollout) ? 'promote' : 'advance', why);
};

/** It goes on by itself when they need the old version no more. */
const stillNeeded: Reason = (rollout, { oldIsNeeded }) =>
  isAtLastStep(rollout) && oldIsNeeded !== undefined
    ? wait(`Not promoted, for ${rollout.from} would be retired after it. ${oldIsNeeded}`)
    : undefined;

const isPaused: Reason = ({ events }) => {
  const last = events.at(-1);
  const why = last?.why ? `: ${last.why.replace(/\.$/, '')}` : '';
  return wait(`Paused by ${last?.who ?? 'mcpx'}${why}. Resume, promote or abort it.`);
};

const waitsForOperator =
  (words: string): Reason =>
  () =>
    wait(words);

const retired: Reason = (rollout) =>
  isRetired(rollout) ? wait(`${loserOf(rollout)} is retired.`) : undefined;

const drains: Reason = (rollout, { now, earlier }) => {
  const left = drainLeft({ current: rollout, earlier }, now);
  if (left === 0) return undefined;
  const why = `${loserOf(rollout)} drains: ${spoken(left)} to go, then its sessions end.`;
  return { what: 'wait', why, againIn: left };
};

const retires: Reason = (rollout, { earlier }) => {
  const [loser, drained] = [loserOf(rollout), drainTime({ current: rollout, earlier })];
  const how = drained > 0 ? `has drained for ${spoken(drained)}` : 'has no time to drain';
  return act(rollout, 'retire', `${loser} ${how}: the sessions left on it end.`);
};

/** Sessions that an Envoy goes on to send to the loser must not be cut before it knows better. */
const ended: readonly Reason[] = [retired, unheard, drains, unacknowledged, retires];

/** Asked in this order; the first that has something to say decides. */
const reasons: Readonly<Record<Phase, readonly Reason[]>> = {
  running: [
    ...[unheard, newVersionGone, foundBad, unacknowledged],
    ...[unsure, timeLeft, stillNeeded, goesOn],
  ],
  // A pause holds the share; it does not stop the watch over it.
  paused: [unheard, foundBad, isPaused],
  staged: [waitsForOperator('Staged: it waits for a switch or an abort.')],
  switched: [unheard, foundBad, waitsForOperator('Switched: it waits for a finish or a rollback.')],
  promoted: ended,
  aborted: ended,
  finished: ended,
  rolled_back: ended,
};

/** Names the state it is decided on, so that it is done once. */
function act(
  { id, phase, step }: Rollout,
  what: 'advance' | 'pause' | 'promote' | 'abort' | 'rollback' | 'retire',
  why: string,
): Action {
  return { what, why, seen: { id, phase, step } };
}
