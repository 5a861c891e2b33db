/** What the admin API shows and steers, handed in by the composition root. */
import type { MintJoinToken } from '../admission/join_tokens.js';
import type { Authority } from '../certificates/authority.js';
import type { Issuer } from '../certificates/certificate.js';
import type { Material } from '../certificates/material.js';
import type { Problem } from '../errors.js';
import type { BeliefStatus, Removal } from '../fleet/beliefs.js';
import type { Catalogue, Fleet, Registration, SourceName } from '../fleet/fleet.js';
import type { Latest } from '../latest.js';
import type { Metrics } from '../metrics.js';
import type { Changes, PlannedStep } from '../registry/planned.js';
import type { Hearing, Registry } from '../registry/registry.js';
import type { Steering } from '../rollout/steering.js';
import type { ResourceDifference } from '../snapshot/difference.js';
import type { NodeStatus } from '../xds/nodes.js';

/** What changes would do. */
export interface Plan {
  readonly steps: readonly PlannedStep[];
  /** What each Envoy would be sent. */
  readonly resources: readonly ResourceDifference[];
  readonly appeared: readonly Problem[];
  readonly mended: readonly Problem[];
}

/** Who signs, and what is held. */
export interface CertificateState {
  readonly authority: Pick<Authority, 'list' | 'rotate' | 'signRequest' | 'spiffeIdOf' | 'roots'>;
  readonly issuer: Issuer['kind'];
  readonly material: Latest<Material>;
}

/** Of the gateway, which others sign. */
interface GatewayCertificateState {
  readonly file: string;
  /** ms since the epoch, both. */
  readonly notBefore: number;
  readonly expiresAt: number;
}

export interface AdminState {
  readonly fleet: Latest<Fleet>;
  readonly hearing: Latest<ReadonlyMap<SourceName, Hearing>>;
  /** A kept last good is served because not every registry was heard yet. */
  readonly stale: Latest<boolean>;
  readonly registries: ReadonlyMap<SourceName, Registry>;
  /** How far each registry is believed, and what is held back of it. */
  readonly beliefs: () => readonly BeliefStatus[];
  /** Lets go what is held back of a registry: what that was. */
  readonly accept: (source: SourceName) => readonly Registration[];
  /** Announces that somebody is about to remove it, so that its going is no loss. */
  readonly removing: (source: SourceName, removal: Removal) => void;
  /** How traffic moves between versions, and the way to steer it. */
  readonly rollouts: Steering;
  /** The registry that takes admin writes. */
  readonly write: SourceName;
  /** Where registrations may point: nobody is asked anywhere else. */
  readonly allowedTargets: readonly string[];
  /** All that is wrong at present, in the fleet and at the nodes. */
  readonly problems: () => readonly Problem[];
  readonly nodes: () => readonly NodeStatus[];
  /** What a server that is not registered yet offers; undefined when it does not answer. */
  readonly ask: (newcomer: Registration) => Promise<Catalogue | undefined>;
  /** What these changes would do; undefined until every registry was heard. */
  readonly plan: (changes: Changes) => Plan | undefined;
  /** When a service last told all it offers, in ms since the epoch. */
  readonly askedAt: (service: string) => number | undefined;
  /** Undefined where identity is off. */
  readonly mintJoinToken?: MintJoinToken | undefined;
  /** Undefined where identity is off. */
  readonly certificates?: CertificateState | undefined;
  /** Undefined where agents are served in clear, and until it was read. */
  readonly gatewayCertificate?: () => GatewayCertificateState | undefined;
  readonly metrics: Metrics;
  readonly version: string;
}
