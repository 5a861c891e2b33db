/** What an authority needs of its roots, whether they are its own or given. Readonly data. */
import type { KeyObject } from 'node:crypto';
import type { Outcome, Problem } from '../errors.js';
import type { Haste, RootState } from './rotation.js';
import type { Signer } from './x509.js';

export interface RootStatus {
  /** SHA-256 of the DER, lower-case hexadecimal. */
  readonly fingerprint: string;
  readonly state: RootState;
  /** Since when it is in this state, and until when where that is known; ms since the epoch. */
  readonly since: number;
  readonly until: number | undefined;
  /** When the certificate itself ends. */
  readonly expiresAt: number;
  /** PEM. */
  readonly certificate: string;
}

export interface SigningRoot extends Signer {
  readonly fingerprint: string;
  /** What links leaves to the root, PEM; empty where the root signs them itself. */
  readonly chain: string;
  /** No leaf outlives it. */
  readonly expiresAt: number;
}

export interface Roots {
  /** Those that are trusted, in the order in which they sign. */
  list(now: number): readonly RootStatus[];
  signer(now: number): SigningRoot;
  /** That of a certificate for those who learn of roots only from whoever shows it. */
  known(now: number): SigningRoot;
  /** The key that goes with a trusted root, where it is here. */
  keyOf(fingerprint: string, now: number): KeyObject | undefined;
  rotate(haste: Haste, now: number): Promise<Outcome<void>>;
  /** Looks at what has changed meanwhile. */
  look(now: number): Promise<void>;
  problems(now: number): readonly Problem[];
}
