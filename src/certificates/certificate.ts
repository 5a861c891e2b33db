/**
 * Certificates of workloads: who says them, who holds them. Readonly data and the
 * one interface of whoever signs; no behaviour.
 */
import type { Outcome, Problem } from '../errors.js';

/** A private key and the certificate that goes with it, PEM. */
export interface Certificate {
  /** The leaf first, then what links it to a root. */
  readonly chain: string;
  readonly key: string;
  /** The one URI among its names. */
  readonly spiffeId: string;
  /** ms since the epoch. */
  readonly notBefore: number;
  /** ms since the epoch. */
  readonly expiresAt: number;
}

/** Signs for workloads: the built-in authority, a folder of files, Consul, Vault. */
export interface Issuer {
  readonly kind: 'builtin' | 'files' | 'consul' | 'vault';

  /** The SPIFFE ID of a workload; undefined while that is not known yet (Consul's trust domain). */
  spiffeIdOf(workload: string): string | undefined;

  /**
   * A certificate for a workload, with a key of its own.
   * Problems: `certificate_unavailable`.
   */
  issue(workload: string): Promise<Outcome<Certificate>>;

  /** Every root that is trusted now, PEM; undefined until known. Overlaps while it is rotated. */
  watchRoots(seen: (roots: string) => void): void;

  /** Told when what was issued ought to be asked for anew, whatever its age; undefined: all. */
  watchRenewals(seen: (workload: string | undefined) => void): void;

  /** What is wrong beside what `issue` answered. */
  problems?(): readonly Problem[];

  close(): Promise<void>;
}
