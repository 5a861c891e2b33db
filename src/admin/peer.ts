/** The certificate a client has shown, as TLS has judged it. */
import { TLSSocket } from 'node:tls';
import type { Socket } from 'node:net';
import { issuedAt } from '../certificates/renewal.js';
import { spiffeIdIn } from '../xds/identity.js';

export interface ShownCertificate {
  /** Why it was not believed; undefined: one of our roots has signed it. */
  readonly distrust: string | undefined;
  /** Its SPIFFE ID; undefined where it carries none, or more than one. */
  readonly id: string | undefined;
  /** ms since the epoch, both; when it was signed is not known of every one. */
  readonly issuedAt?: number;
  readonly expiresAt: number;
}

/** Undefined where none was shown. */
export function shownCertificate(socket: Socket): ShownCertificate | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  const { authorized, authorizationError } = socket;
  const { validFrom, validTo } = certificate;
  const times = { notBefore: Date.parse(validFrom), expiresAt: Date.parse(validTo) };
  return {
    distrust: authorized ? undefined : String(authorizationError),
    id: spiffeIdIn(certificate.subjectAltName),
    issuedAt: issuedAt(times),
    expiresAt: times.expiresAt,
  };
}
