/**
 * A rollout: how the traffic of one service moves from one version to another.
 * It is a document in the registry, changed by compare-and-set only, so any
 * replica may advance it and none of them owns it. Readonly data; no behaviour.
 */

export type RolloutKind = 'canary' | 'bluegreen';

/**
 * canary: running ⇄ paused → promoted | aborted; promoted → rolled_back.
 * bluegreen: staged → switched → finished; switched → staged (rollback);
 * staged → aborted; finished → rolled_back.
 * One that has ended stays in its phase when the version that lost is retired.
 */
export type Phase =
  | 'running'
  | 'paused'
  | 'promoted'
  | 'aborted'
  | 'staged'
  | 'switched'
  | 'finished'
  | 'rolled_back';

/** What the new version may do worse than the old one in the same window. */
export interface JudgeLimits {
  /** Share of failed calls that is allowed, 0 … 1; an old version that fails more raises it. */
  readonly maxErrorRate: number;
  /** How much slower the p99 may be: 0.2 is +20 %. */
  readonly maxP99Increase: number;
  /** Calls of the new version before anything is judged. */
  readonly minCalls: number;
}

/** Calls that go to the new version whatever its share. */
export type MatchRule =
  { readonly header: string; readonly value: string } | { readonly principal: string };

export interface RolloutEvent {
  /** ms since the epoch. */
  readonly at: number;
  /** A person as the admin API knows them, or `mcpx` where the control plane went on by itself. */
  readonly who: string;
  readonly what:
    | 'start'
    | 'advance'
    | 'pause'
    | 'resume'
    | 'promote'
    | 'abort'
    | 'stage'
    | 'switch'
    | 'rollback'
    | 'finish'
    | 'retire';
  readonly from: Phase | undefined;
  readonly to: Phase;
  /** Share of the new version after it, in percent. */
  readonly share: number;
  readonly why: string;
}

/** An Envoy that does not hold the present shares, as the replica it is connected to has seen. */
export interface Hold {
  readonly node: string;
  /** It answered with a NACK rather than not at all. */
  readonly refused: boolean;
  /** The replica. */
  readonly by: string;
  /** When it was said last, ms since the epoch. */
  readonly at: number;
}

export interface Rollout {
  readonly id: string;
  readonly service: string;
  readonly kind: RolloutKind;
  readonly from: string;
  readonly to: string;
  readonly phase: Phase;
  /** Percent of the new version, rising, the last is 100. One step of 100 for bluegreen. */
  readonly steps: readonly number[];
  /** Index in `steps` of the share that holds now. */
  readonly step: number;
  /** When the present step began, ms since the epoch. */
  readonly stepSince: number;
  /** How long a step is watched before the next. */
  readonly everyMs: number;
  /** How long the version that lost keeps its sessions; absent in documents of older releases. */
  readonly drainMs?: number;
  /** Undefined: nobody judges (bluegreen without limits). */
  readonly limits: JudgeLimits | undefined;
  readonly match: readonly MatchRule[];
  /** Percent of the read-only calls that are copied to the new version; 0: none. */
  readonly mirror: number;
  /** What keeps the next step back at any replica; undefined: nothing. */
  readonly held?: readonly Hold[] | undefined;
  /** Oldest first. */
  readonly events: readonly RolloutEvent[];
}

/** What a registry holds under `rollouts/<service>`: the newest rollout, and those before it. */
export interface RolloutDocument {
  readonly current: Rollout;
  /** Newest first, at most 20. */
  readonly earlier: readonly Rollout[];
}
