/** What is known of one connected Envoy. */
import type { ResourceKind } from '../snapshot/snapshot.js';

export interface Holding {
  /** The version it accepted last; empty before the first. */
  readonly acked: string;
  /** How many resources it holds. */
  readonly held: number;
  /** An answer of it is awaited. */
  readonly inFlight: boolean;
  readonly lastNack:
    | { readonly message: string; readonly resources: readonly string[]; readonly at: number }
    | undefined;
}

export interface NodeStatus {
  readonly id: string;
  readonly envoyVersion: string;
  readonly audience: string;
  readonly address: string;
  readonly connectedSince: number;
  readonly kinds: Readonly<Record<ResourceKind, Holding>>;
}
