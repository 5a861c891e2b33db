/**
 * How operators steer a rollout: what they are shown of it, and what an action of
 * theirs would do before it is done. The control plane's loop stands behind it.
 */
import type { Outcome } from '../errors.js';
import type { Service } from '../fleet/fleet.js';
import type { RolloutDocument } from '../fleet/rollout.js';
import type { Action } from './advance.js';
import type { Difference } from './contract.js';
import type { LaggingNode, Waiting } from './due.js';
import type { Verdict, Window } from './judge.js';

export interface RolloutStatus {
  readonly service: Service;
  readonly document: RolloutDocument;
  /** What both versions did since the present step began; undefined while nothing is known. */
  readonly window: Window | undefined;
  readonly verdict: Verdict | undefined;
  /** What the control plane does next by itself, or why it waits. */
  readonly next: Action | Waiting;
  /** Envoys that do not hold the present shares. */
  readonly lagging: readonly LaggingNode[];
}

export interface Intent {
  readonly service: string;
  readonly action: Action;
  readonly who: string;
  /** Goes on although agents that know the earlier version may fail. */
  readonly acceptBreaking: boolean;
}

/** What the resources of Envoys would become. */
export interface ResourceEffect {
  readonly kind: string;
  readonly name: string;
  readonly change: 'added' | 'changed' | 'removed';
}

/** A change of a service's rollout that was found possible, and is not made yet. */
export interface Proposal {
  readonly service: Service;
  readonly before: RolloutDocument | undefined;
  readonly after: RolloutDocument;
  /** How the versions differ for agents, where traffic is to move. */
  readonly differences: readonly Difference[];
  readonly effects: readonly ResourceEffect[];
}

export interface Steering {
  /** Undefined where there never was a rollout. */
  status(service: string): RolloutStatus | undefined;
  /** Problems: `not_found`, `rollout_refused`, `dependency_unmet`, `request_invalid`. */
  proposed(intent: Intent): Outcome<Proposal>;
  /** Problems: `write_conflict` where somebody else was first, `registry_unreachable`. */
  keep(proposal: Proposal): Promise<Outcome<RolloutDocument>>;
}
