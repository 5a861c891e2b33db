/**
 * The certificates by which Envoys are let in: one that was not renewed in time is told while it
 * still holds, because the Envoy whose certificate has ended is gone without a word.
 */
import { lateAt } from '../certificates/renewal.js';
import { problem, type Problem } from '../errors.js';
import type { Metrics } from '../metrics.js';
import type { Peer } from './identity.js';

export interface ShownCertificate {
  /** ms since the epoch. */
  readonly expiresAt: number;
  /** Whether it ought to have been renewed before it was shown. */
  readonly late: boolean;
}

/** Judged by when it was shown: what the node holds since, nobody sees until it connects again. */
export function shownBy(peer: Peer | undefined, at: number): ShownCertificate | undefined {
  if (!peer) return undefined;
  const { notBefore, expiresAt } = peer;
  // Those of nodes are always signed by our own authority.
  const late = notBefore !== undefined && lateAt({ notBefore, expiresAt }, 'builtin') < at;
  return { expiresAt, late };
}

/** A stream of a node. */
interface Showing {
  readonly identity: { readonly id: string; readonly role: string };
  readonly certificate: ShownCertificate | undefined;
}

/** Of everybody who is connected; of several streams of a node the newest counts. */
export class NodeCertificates {
  /** By node, the newest last. */
  readonly #shown = new Map<string, Set<Showing>>();

  constructor(private readonly metrics: Pick<Metrics, 'nodeCertificateExpires'>) {}

  joined(node: Showing): void {
    if (!node.certificate) return;
    const { id } = node.identity;
    this.#shown.set(id, (this.#shown.get(id) ?? new Set()).add(node));
    this.#measure(id);
  }

  left(node: Showing): void {
    const { id } = node.identity;
    const shown = this.#shown.get(id);
    if (!shown?.delete(node)) return;
    if (shown.size === 0) this.#shown.delete(id);
    this.#measure(id);
  }

  problems(): readonly Problem[] {
    const late = [...this.#shown.keys()].flatMap((id) =>
      this.#present(id).flatMap(({ expiresAt, late }) => (late ? [{ id, expiresAt }] : [])),
    );
    return late.map(problemOf).sort((one, other) => (one.message < other.message ? -1 : 1));
  }

  /** Those of one id; several where nodes of several roles say they are it. */
  #present(id: string): readonly ShownCertificate[] {
    const byRole = new Map<string, ShownCertificate>();
    for (const { identity, certificate } of this.#shown.get(id) ?? [])
      if (certificate) byRole.set(identity.role, certificate);
    return [...byRole.values()];
  }

  #measure(node: string): void {
    const { nodeCertificateExpires: gauge } = this.metrics;
    const ends = this.#present(node).map(({ expiresAt }) => expiresAt);
    if (ends.length === 0) gauge.remove({ node });
    else gauge.set({ node }, Math.min(...ends) / 1_000);
  }
}

function problemOf({ id, expiresAt }: { readonly id: string; readonly expiresAt: number }) {
  const message =
    `The certificate of Envoy "${id}" was not renewed in time and ends at ` +
    `${new Date(expiresAt).toISOString()}; from then on this Envoy is told nothing more. Look ` +
    'whether `mcpx join` runs on its machine and what it logs; where it cannot renew, print a ' +
    'token with `mcpx bootstrap` and join anew.';
  return problem('certificate_unavailable', { node: id }, message);
}
