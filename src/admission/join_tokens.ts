/** Who may be given a join token, and for what: the admin API mints them here. */
import { randomBytes } from 'node:crypto';
import type { Authority } from '../certificates/authority.js';
import { isOwnWorkload } from '../certificates/workload.js';
import type { Clock } from '../clock.js';
import { failed, problem, succeeded, type Outcome } from '../errors.js';
import { mintToken } from './token.js';

export type JoinWish =
  { readonly role: 'edge' } | { readonly role: 'sidecar'; readonly service: string };

export interface JoinToken {
  /** A secret: whoever has it first becomes what it says. */
  readonly token: string;
  /** The SPIFFE ID that its holder gets. */
  readonly id: string;
  /** ms since the epoch. */
  readonly expiresAt: number;
}

/** Problems: `request_invalid`, `certificate_unavailable`. */
export type MintJoinToken = (wish: JoinWish) => Outcome<JoinToken>;

/** What a token's authenticity is made of, at those who hold the root. */
export const tokenPurpose = 'join token';

/** Long enough to carry it to the other machine by hand. */
const lifeMs = 15 * 60_000;

type Minting = Pick<Authority, 'list' | 'secretFor' | 'signer' | 'spiffeIdOf'>;

export function joinTokens(authority: Minting, clock: Clock): MintJoinToken {
  return (wish) => {
    if (wish.role === 'sidecar' && isOwnWorkload(wish.service)) return failed(reserved(wish));
    const signer = authority.signer.value;
    const secret = authority.secretFor(tokenPurpose, signer);
    if (!secret) return failed(unsigned());
    const id = authority.spiffeIdOf(wish.role === 'edge' ? 'edge' : wish.service);
    const expiresAt = clock.now() + lifeMs;
    // Whoever signs next is known by then too, where roots are being rotated.
    const others = authority.list().map(({ fingerprint }) => fingerprint);
    const roots = [signer, ...others.filter((other) => other !== signer)];
    const nonce = randomBytes(16).toString('base64url');
    return succeeded({ token: mintToken({ id, expiresAt, nonce, roots }, secret), id, expiresAt });
  };
}

const reserved = ({ service }: { readonly service: string }) =>
  problem(
    'request_invalid',
    { service },
    `${service} is the name of a part of MCPX, so no service of that name gets a certificate. ` +
      'Register the service under another name.',
  );

const unsigned = () =>
  problem(
    'certificate_unavailable',
    {},
    'The authority has no root to sign with, so it admits nobody. Look at `mcpx ca show`.',
  );
