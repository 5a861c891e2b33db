/**
 * Who gets which snapshot. A node says in its metadata what it is: an edge, or
 * the sidecar of one service; each sidecar's service is an audience by itself.
 */

export type Audience = 'edge' | `sidecar/${string}`;

/** A node without a role is an edge; one with a role that nobody has is nothing. */
export function audienceOf(
  role: string | undefined,
  service: string | undefined,
): Audience | undefined {
  if ((role ?? 'edge') === 'edge') return 'edge';
  return role === 'sidecar' && service ? `sidecar/${service}` : undefined;
}
