/**
 * Certificates that count no more though they have not ended: of a workload, all that were
 * issued before a moment. They cannot be renewed either, so a stolen one is of use for the rest
 * of its life at most, and who it was stolen from joins anew. Pure.
 */

/** SPIFFE ID → the moment, in ms since the epoch. */
export type Revoked = ReadonlyMap<string, number>;

interface Revocation {
  readonly workload: string;
  /** ISO 8601. */
  readonly before: string;
}

export function revokedBy(revocations: readonly Revocation[], trustDomain: string): Revoked {
  const moments = revocations.map(
    ({ workload, before }) => [`spiffe://${trustDomain}/${workload}`, Date.parse(before)] as const,
  );
  return new Map(moments.sort(([, one], [, other]) => one - other));
}

export interface Shown {
  readonly id: string | undefined;
  /** In ms since the epoch; undefined counts as long ago. */
  readonly issuedAt?: number | undefined;
}

/** What speaks against it; undefined: nothing. */
export function revocationOf(revoked: Revoked, { id, issuedAt = 0 }: Shown): string | undefined {
  const before = revoked.get(id ?? '');
  if (before === undefined || issuedAt >= before) return undefined;
  return (
    `those of ${id ?? ''} from before ${new Date(before).toISOString()} are revoked ` +
    '(identity.revoked): empty the folder of the certificate, and join anew with a token'
  );
}
