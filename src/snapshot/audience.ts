/** Who gets which snapshot: a node says its role in its metadata. */

const audiences = ['edge'] as const;
export type Audience = (typeof audiences)[number];

/** A node without a role is an edge; one with a role we do not serve gets nothing. */
export function audienceOf(role: string | undefined): Audience | undefined {
  return audiences.find((audience) => audience === (role ?? 'edge'));
}
