/**
 * Registries: where MCP servers say that they exist. Each is watched into a
 * report of everything it holds; the newest report replaces the one before.
 * An admin write is a compare-and-set here and comes back through the watch.
 */
import type { Outcome, Problem } from '../errors.js';
import type { PolicyOverride, Registration, SourceName } from '../fleet/fleet.js';
import type { RolloutDocument } from '../fleet/rollout.js';

/** Everything one registry holds, whenever any of it changed. */
export interface Report {
  readonly source: SourceName;
  readonly registrations: readonly Registration[];
  /** Service name → its policy document, where the registry keeps one. */
  readonly policies: ReadonlyMap<string, PolicyOverride>;
  /** Service name → how its traffic moves between versions, where it ever did. */
  readonly rollouts: ReadonlyMap<string, RolloutDocument>;
  /** What could not be decoded, and fields that are not acted on. */
  readonly problems: readonly Problem[];
}

/** Whether a registry is being heard; the last report stays valid while it is not. */
export type Hearing =
  | { readonly state: 'connecting' }
  | { readonly state: 'heard' }
  | { readonly state: 'lost'; readonly reason: string };

export interface RegistryListener {
  report(report: Report): void;
  hearing(source: SourceName, hearing: Hearing): void;
}

/** A registration as written by a person: JSON or YAML of the fields in the README. */
export type RegistrationDocument = Readonly<Record<string, unknown>>;

/** What a write has done. */
export interface Written {
  readonly registration: Registration;
  /** `unchanged`: it was there word for word, and nothing was written. */
  readonly change: 'added' | 'replaced' | 'unchanged';
  /** Fields that are not acted on. */
  readonly warnings: readonly Problem[];
}

export interface Registry {
  readonly source: SourceName;

  /** Begins to watch; the first report follows as soon as the registry was read once. */
  watch(listener: RegistryListener): void;

  /**
   * Compare-and-set: adds an instance, or replaces the one of the same name and url.
   * Problems: `registration_invalid`, `write_conflict` (changed in between),
   * `registry_unreachable`.
   */
  put(document: RegistrationDocument): Promise<Outcome<Written>>;

  /**
   * Removes one instance, or all instances of the service that this registry wrote.
   * The value is the ids removed. Problems: `not_found`, `write_conflict`, `registry_unreachable`.
   */
  remove(service: string, instance?: string): Promise<Outcome<readonly string[]>>;

  /**
   * Compare-and-set of a service's rollout: `expected` is what the writer has looked at.
   * Problems: `write_conflict` (somebody else was first), `registry_unreachable`.
   */
  keepRollout(next: RolloutDocument, expected: RolloutDocument | undefined): Promise<Outcome<void>>;

  /**
   * Uses something up: true for the first who does, at whichever replica; kept until its own
   * end, and for an hour more, as clocks differ. Problems: `registry_unreachable`.
   */
  spend(nonce: string, until: number): Promise<Outcome<boolean>>;

  close(): Promise<void>;
}
