/** Rollouts of `claims` from 1.0.0 to 2.0.0, and the occasions on which they change. */
import type { Phase, Rollout, RolloutDocument } from '../../../src/fleet/rollout.js';
import { apply, type Action, type Move } from '../../../src/rollout/advance.js';
import type { CanaryPlan, Occasion, VersionFacts } from '../../../src/rollout/opening.js';

export const minute = 60_000;
export const limits = { maxErrorRate: 0.01, maxP99Increase: 0.2, minCalls: 100 };

export const canaryPlan: CanaryPlan = {
  ...{ to: '2.0.0', steps: [5, 50, 100], everyMs: 10 * minute, limits },
};

export const facts = (fields: Partial<VersionFacts> = {}): VersionFacts => ({
  ...{ instances: 2, passing: 2, path: '/mcp', eras: ['legacy'], ...fields },
});

export const bothVersions = (
  changed: Readonly<Record<string, Partial<VersionFacts>>> = {},
): ReadonlyMap<string, VersionFacts> =>
  new Map(['1.0.0', '2.0.0'].map((version) => [version, facts(changed[version])]));

export const occasion = (fields: Partial<Occasion> = {}): Occasion => ({
  ...{ now: 1_000_000, who: 'ana', service: 'claims', id: 'r1', versions: bothVersions() },
  ...fields,
});

/** An action as a person asks for it; what the control plane does alone, on what it saw. */
export function actionOf(what: Move, document?: RolloutDocument): Action {
  if (what === 'start') return { what, plan: canaryPlan, why: '' };
  if (what === 'stage') return { what, plan: { to: '2.0.0' }, why: '' };
  if (what !== 'advance' && what !== 'retire') return { what, why: 'because' };
  if (!document) throw new Error(`nothing to ${what}`);
  return { what, why: 'time', seen: document.current };
}

export function applied(
  document: RolloutDocument | undefined,
  action: Action,
  on: Occasion = occasion(),
): RolloutDocument {
  const outcome = apply(document, action, on);
  if (!outcome.ok) throw new Error(outcome.problems.map(({ message }) => message).join(' '));
  return outcome.value;
}

/** Why an action is refused; empty when it is not. */
export function refusals(
  document: RolloutDocument | undefined,
  action: Action,
  on: Occasion = occasion(),
): readonly string[] {
  const outcome = apply(document, action, on);
  return outcome.ok ? [] : outcome.problems.map(({ message }) => message);
}

/** How each phase is reached from nothing. */
export const ways: Readonly<Record<Phase, readonly Move[]>> = {
  running: ['start'],
  paused: ['start', 'pause'],
  promoted: ['start', 'promote'],
  aborted: ['start', 'abort'],
  staged: ['stage'],
  switched: ['stage', 'switch'],
  finished: ['stage', 'switch', 'finish'],
  rolled_back: ['start', 'promote', 'rollback'],
};

/** After these moves, one after the other. */
export function after(...moves: readonly Move[]): RolloutDocument {
  const document = moves.reduce<RolloutDocument | undefined>(
    (before, move) => applied(before, actionOf(move, before)),
    undefined,
  );
  if (!document) throw new Error('no moves');
  return document;
}

export const inPhase = (phase: Phase): RolloutDocument => after(...ways[phase]);

export const rolloutIn = (phase: Phase, fields: Partial<Rollout> = {}): Rollout => ({
  ...inPhase(phase).current,
  ...fields,
});
