/**
 * Who a client may say it is. With mutual TLS on, a node is only what its
 * certificate says: `spiffe://<trust domain>/edge` is an edge, and
 * `spiffe://<trust domain>/<service>` the sidecar of that service. Its node.id
 * it chooses itself; it cannot use up the streams of a node of another role.
 */
import { isOwnWorkload } from '../certificates/workload.js';
import { revocationOf, type Revoked } from '../certificates/revoked.js';
import { workloadOf, type Audience } from '../snapshot/audience.js';

/** Whoever a client's certificate says it is. */
export interface Peer {
  /** Its SPIFFE ID; undefined where the certificate carries none, or more than one. */
  readonly id: string | undefined;
  /** When the certificate was signed; undefined where that is not known. */
  readonly issuedAt?: number | undefined;
  /** When the certificate begins; undefined where that is not known. */
  readonly notBefore?: number | undefined;
  /** When the certificate ends. */
  readonly expiresAt: number;
}

/** `any`: what a client says of itself is believed, as on loopback without TLS. */
export type IdentityPolicy = 'any' | { readonly trustDomain: string; readonly revoked?: Revoked };

/** What speaks against this peer being this audience now, and what to do; undefined: nothing. */
export function objection(
  policy: IdentityPolicy,
  peer: Peer | undefined,
  { audience, now }: { readonly audience: Audience; readonly now: number },
): string | undefined {
  const wrong = mismatch(policy, peer, { audience, now });
  if (wrong === undefined || wrong.ended) return wrong?.reason;
  return (
    `node.metadata says ${audience}, which ${wrong.reason}: give this Envoy the certificate of ` +
    'its role, or mend role and service in its bootstrap'
  );
}

/** The same of a call that is the edges' alone, and says nothing of who makes it. */
export function objectionToCall(
  policy: IdentityPolicy,
  peer: Peer | undefined,
  now: number,
): string | undefined {
  const wrong = mismatch(policy, peer, { audience: 'edge', now });
  if (wrong === undefined || wrong.ended) return wrong?.reason;
  return `this call ${wrong.reason}: give whoever makes it the certificate of an edge`;
}

function mismatch(
  policy: IdentityPolicy,
  peer: Peer | undefined,
  { audience, now }: { readonly audience: Audience; readonly now: number },
): { readonly ended: boolean; readonly reason: string } | undefined {
  if (peer && peer.expiresAt <= now) {
    const at = new Date(peer.expiresAt).toISOString();
    const reason = `the client certificate ended at ${at}: connect again with a renewed one`;
    return { ended: true, reason };
  }
  if (policy === 'any') return undefined;
  const revoked = policy.revoked && peer && revocationOf(policy.revoked, peer);
  if (revoked !== undefined)
    return { ended: true, reason: `of the client certificates ${revoked}` };
  const wanted = spiffeIdOf(policy.trustDomain, audience);
  if (wanted !== undefined && peer?.id === wanted) return undefined;
  const shown = peer ? `the one shown is ${peer.id ?? 'without one SPIFFE ID'}` : 'none was shown';
  const reason = `takes a client certificate for ${wanted ?? 'nobody'}, and ${shown}`;
  return { ended: false, reason };
}

/** `edge` → `spiffe://example.org/edge`, `sidecar/claims` → `spiffe://example.org/claims`. */
function spiffeIdOf(trustDomain: string, audience: Audience): string | undefined {
  if (audience === 'edge') return `spiffe://${trustDomain}/edge`;
  const service = workloadOf(audience);
  // A service of such a name would be a part of MCPX, if it got a certificate.
  return isOwnWorkload(service) ? undefined : `spiffe://${trustDomain}/${service}`;
}

/**
 * The one SPIFFE ID among the names of a certificate, as Node writes them:
 * `DNS:a, URI:spiffe://b`, where a name with a comma or a quote stands in quotes.
 */
export function spiffeIdIn(subjectAltName: string | undefined): string | undefined {
  const names = subjectAltName?.match(/(?:"(?:[^"\\]|\\.)*"|[^",])+/g) ?? [];
  const uris = names.map((name) => name.trim()).filter((name) => name.startsWith('URI:'));
  const [, id] = /^URI:(spiffe:\/\/[a-z0-9._-]+(?:\/[A-Za-z0-9._-]+)+)$/.exec(uris[0] ?? '') ?? [];
  return uris.length === 1 ? id : undefined;
}
