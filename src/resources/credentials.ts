/**
 * What an Envoy shows and whom it trusts, as rendering needs it. Undefined wherever it is asked
 * for: workloads have no certificates, and everything stays on this machine in clear.
 */
import type { Certificate } from '../certificates/certificate.js';
import type { Material } from '../certificates/material.js';

export interface Credentials {
  /** The Envoy's own. */
  readonly certificate: Certificate;
  /** Who signs workloads, PEM. */
  readonly roots: string;
  /** Who signs servers that are no workloads, PEM. */
  readonly serverRoots: string;
  readonly spiffeIdOf: Material['spiffeIdOf'];
  /**
   * What it said of the edge then: an issuer names all workloads by one pattern, so where it
   * names one alike, it names all alike.
   */
  readonly pattern: string;
}

/** PEM: the text, or where Envoy itself reads it, which stands on this very machine. */
export type Pem = { readonly inline_string: string } | { readonly filename: string };

/** Of the gateway for agents. */
export interface GatewayCertificate {
  readonly certificate: Pem;
  readonly key: Pem;
  /** Who signs agents' certificates; undefined: they need none. */
  readonly clients: Pem | undefined;
}

/** Undefined until all of it is known. */
export function credentialsOf(
  workload: string,
  { roots, certificates, spiffeIdOf }: Material,
  serverRoots: string,
): Credentials | undefined {
  const certificate = certificates.get(workload);
  const pattern = spiffeIdOf('edge');
  if (!certificate || roots === '' || pattern === undefined) return undefined;
  return { certificate, roots, serverRoots, spiffeIdOf, pattern };
}

/** `one` itself where `other` says the same. */
export function unlessEqual(
  one: Credentials | undefined,
  other: Credentials | undefined,
): Credentials | undefined {
  const same =
    one?.certificate === other?.certificate &&
    one?.roots === other?.roots &&
    one?.serverRoots === other?.serverRoots &&
    one?.pattern === other?.pattern;
  return same ? one : other;
}
