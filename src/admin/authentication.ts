/**
 * Who asks: known by a token, of which only the digest is kept here, or by a client
 * certificate of our own authority. What a request says of itself in headers counts
 * only where everybody on this machine may do everything.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { revocationOf, type Revoked } from '../certificates/revoked.js';
import type { ShownCertificate } from './peer.js';
import { roles, type Caller, type Role } from './roles.js';

export interface TokenRow {
  readonly name: string;
  readonly role: Role;
  /** Of the token, in hexadecimal. */
  readonly sha256: string;
}

export interface Access {
  /** Everybody who gets here is admin, under the name they give themselves. */
  readonly open: boolean;
  readonly tokens: readonly TokenRow[];
  /** Whose certificates are believed. */
  readonly trustDomain: string;
  readonly revoked?: Revoked;
}

/** What a request shows of whoever sent it. */
export interface Shown {
  readonly method: string;
  /** The header, or the empty text. */
  readonly authorization: string;
  /** What the request says of itself, or the empty text. */
  readonly user: string;
  readonly certificate: ShownCertificate | undefined;
  /** ms since the epoch. */
  readonly now: number;
}

/** `credentials`: none were shown; `token`, `certificate`: wrong ones; `role`: too little. */
export const refusals = ['credentials', 'token', 'certificate', 'role'] as const;

export type Refusal = (typeof refusals)[number];

export type Recognised =
  | { readonly caller: Caller }
  | { readonly refusal: 'token' | 'certificate'; readonly message: string };

export const nobody: Caller = { name: '', role: 'anybody' };

const userLengthMax = 64;

/** Wrong credentials are refused whatever is asked for; without any one is `nobody`. */
export function recognise(access: Access, shown: Shown): Recognised {
  const { certificate, authorization } = shown;
  const complaint = certificate && complaintAbout(certificate, access, shown.now);
  if (complaint !== undefined)
    return { refusal: 'certificate', message: `The client certificate ${complaint}` };
  if (access.open) return { caller: { name: userOf(shown.user), role: 'admin' } };
  if (authorization !== '') return byToken(access, shown);
  if (certificate?.id === undefined) return { caller: nobody };
  return { caller: { name: certificate.id, role: roleOf(certificate.id) } };
}

function complaintAbout(
  certificate: ShownCertificate,
  { trustDomain, revoked = new Map() }: Access,
  now: number,
): string | undefined {
  const { distrust, id, expiresAt } = certificate;
  if (distrust !== undefined)
    return `is not of the authority of this control plane (${distrust}). Show one that is.`;
  if (expiresAt <= now) return `ended at ${new Date(expiresAt).toISOString()}. Renew it.`;
  const revocation = revocationOf(revoked, certificate);
  if (revocation !== undefined) return `counts no more: ${revocation}.`;
  if (id?.startsWith(`spiffe://${trustDomain}/`)) return undefined;
  return `must carry one SPIFFE ID of the trust domain ${trustDomain}; it has ${id ?? 'none'}.`;
}

function byToken({ tokens }: Access, { authorization, method }: Shown): Recognised {
  const token = tokenIn(authorization, method);
  if (token === undefined) {
    const message = 'Send the token as `authorization: Bearer TOKEN`.';
    return { refusal: 'token', message };
  }
  const digest = createHash('sha256').update(token).digest();
  let found: TokenRow | undefined;
  // All of them, each in constant time: how long it takes tells nothing of any token.
  for (const row of tokens)
    if (timingSafeEqual(digest, Buffer.from(row.sha256, 'hex'))) found = row;
  if (found) return { caller: { name: found.name, role: found.role } };
  const message =
    'This token is not one of admin.tokens (`mcpx token` makes a new one), nor made from the ' +
    'data folder of this control plane (run the command line with its configuration).';
  return { refusal: 'token', message };
}

/**
 * A browser sends what a person typed as their password along with whatever a page of
 * anybody makes it send, so that counts for looking only.
 */
function tokenIn(authorization: string, method: string): string | undefined {
  const [, scheme = '', value = ''] = /^(\w+) +(\S+)$/.exec(authorization.trim()) ?? [];
  if (scheme.toLowerCase() === 'bearer') return value;
  if (scheme.toLowerCase() !== 'basic' || !['GET', 'HEAD'].includes(method)) return undefined;
  const [, password] = /^[^:]*:(.*)$/s.exec(Buffer.from(value, 'base64').toString()) ?? [];
  return password;
}

/** `…/operator/ana` is a person, `…/edge` what stands beside an Envoy; a service is nobody here. */
function roleOf(id: string): Role {
  const [, ...words] = id.replace('spiffe://', '').split('/');
  const [first, name] = words;
  if (words.length === 1) return first === 'edge' || first === 'filter' ? 'node' : 'anybody';
  const people: readonly Role[] = ['viewer', 'operator', 'admin'];
  const role = roles.find((each) => each === first);
  return words.length === 2 && name && role && people.includes(role) ? role : 'anybody';
}

/** It is kept and shown: one short line of text that can be read. */
function userOf(header: string): string {
  const readable = header.replace(/[^\x20-\x7e]/g, '').trim();
  return readable.slice(0, userLengthMax) || 'somebody';
}
