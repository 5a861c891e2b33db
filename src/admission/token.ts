/**
 * Join tokens: `mcpx1.<claims>.<mac>`. Whoever holds one may become what it
 * says, once and soon. It also says by which roots the control plane is known,
 * so that its holder trusts nobody at first sight. Pure.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';

const fingerprint = z.string().regex(/^[0-9a-f]{64}$/);

const claimsSchema = z.strictObject({
  /** Who its holder becomes. */
  id: z.string().regex(/^spiffe:\/\/[a-z0-9._-]+\/[A-Za-z0-9._-]+$/),
  /** ms since the epoch. */
  expiresAt: z.int().positive(),
  nonce: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
  /** SHA-256 of each root trusted when it was made; the first made it. */
  roots: z.array(fingerprint).min(1).max(8),
});

export type Claims = Readonly<z.output<typeof claimsSchema>>;

/** The secret that goes with a root; undefined where that root is not known. */
export type SecretFor = (fingerprint: string) => Buffer | undefined;

/** Longer than any of ours. */
const lengthMax = 2_000;
const shape = /^(mcpx1\.([A-Za-z0-9_-]+))\.([A-Za-z0-9_-]+)$/;

export function mintToken(claims: Claims, secret: Buffer): string {
  const said = `mcpx1.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
  return `${said}.${macOf(said, secret).toString('base64url')}`;
}

const macOf = (said: string, secret: Buffer): Buffer =>
  createHmac('sha256', secret).update(said).digest();

/** What it says, which nobody has checked; undefined: it is none. */
export const readToken = (token: string): Claims | undefined => parsed(token)?.claims;

export type Checked =
  | { readonly kind: 'good' | 'expired'; readonly claims: Claims }
  | { readonly kind: 'unreadable' }
  | { readonly kind: 'forged' };

/** Whether we made it, and it has not ended. */
export function checkToken(token: string, secretFor: SecretFor, now: number): Checked {
  const found = parsed(token);
  if (!found) return { kind: 'unreadable' };
  const { said, mac, claims } = found;
  const secret = secretFor(claims.roots[0] ?? '');
  if (!secret || !isEqual(mac, macOf(said, secret))) return { kind: 'forged' };
  return { kind: claims.expiresAt <= now ? 'expired' : 'good', claims };
}

const isEqual = (one: Buffer, other: Buffer): boolean =>
  one.length === other.length && timingSafeEqual(one, other);

function parsed(token: string) {
  const [, said, claims, mac] = (token.length <= lengthMax && shape.exec(token)) || [];
  if (said === undefined || claims === undefined || mac === undefined) return undefined;
  const read = claimsSchema.safeParse(jsonIn(claims));
  return read.success ? { said, mac: Buffer.from(mac, 'base64url'), claims: read.data } : undefined;
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    return undefined;
  }
}
