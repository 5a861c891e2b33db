/** Rollouts as this benchmark's registry holds them. */
import type { Rollout, RolloutDocument } from '../../../src/fleet/rollout.js';

export const [oldVersion, newVersion] = ['1.0.0', '2.0.0'] as const;

/** So long that none goes on by itself while it is measured. */
const everyMs = 1_000 * 3_600_000;

interface At {
  readonly service: string;
  /** Percent of the new version. */
  readonly share: number;
  /** ms since the epoch. */
  readonly since: number;
}

/** An open canary, after so many that ended. */
export function rolloutAt({ service, share, since }: At, earlier: number): RolloutDocument {
  const move = { at: since, who: 'ana', why: '', share };
  const current: Rollout = {
    ...{ id: `${service}-1`, service, kind: 'canary', from: oldVersion, to: newVersion },
    ...{ phase: 'running', steps: [share, 100], step: 0, stepSince: since, everyMs },
    limits: { maxErrorRate: 0.01, maxP99Increase: 0.2, minCalls: 100 },
    ...{ match: [], mirror: 0 },
    events: [{ ...move, what: 'start', from: undefined, to: 'running' }],
  };
  return { current, earlier: Array.from({ length: earlier }, (_, nth) => ended(current, nth)) };
}

/** With what a canary of four steps that ended well leaves in the history. */
function ended(current: Rollout, nth: number): Rollout {
  const { stepSince: at } = current;
  const moved = { from: 'running', to: 'running', at, who: 'mcpx' } as const;
  const why = (share: number): string =>
    `10 min at ${share} %. 0 % of ${share * 100} calls of the new version failed.`;
  return {
    ...{ ...current, id: `${current.service}-earlier-${nth}`, phase: 'promoted' },
    ...{ steps: [5, 25, 50, 100], step: 3 },
    events: [
      ...current.events,
      ...[25, 50, 100].map((share) => ({
        ...moved,
        share,
        what: 'advance' as const,
        why: why(share),
      })),
      { ...moved, to: 'promoted', share: 100, what: 'promote', why: why(100) },
    ],
  };
}
