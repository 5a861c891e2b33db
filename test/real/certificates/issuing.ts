/** An issuer as a keeper sees it: what it said last, and what two of its certificates are worth. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import type { Certificate, Issuer } from '../../../src/certificates/certificate.js';
import type { Outcome } from '../../../src/errors.js';
import { Latest } from '../../../src/latest.js';

interface Watched {
  /** '' until known. */
  readonly roots: Latest<string>;
  /** How often all was to be asked for anew. */
  readonly renewals: Latest<number>;
}

export function watched(issuer: Issuer): Watched {
  const [roots, renewals] = [new Latest(''), new Latest(0)];
  issuer.watchRoots((told) => roots.set(told));
  issuer.watchRenewals((workload) => {
    if (workload === undefined) renewals.set(renewals.value + 1);
  });
  return { roots, renewals };
}

export const rootsIn = (roots: string): number => roots.split('BEGIN CERTIFICATE').length - 1;

export function certificateOf(outcome: Outcome<Certificate>): Certificate {
  if (outcome.ok) return outcome.value;
  throw new Error(outcome.problems.map(({ message }) => message).join('\n'));
}

export function messageOf(outcome: Outcome<Certificate>): string {
  if (outcome.ok) throw new Error(`There is a certificate: ${outcome.value.spiffeId}`);
  return outcome.problems.map(({ message }) => message).join('\n');
}

/** One end of a connection: who it is, and whom it trusts. */
export interface Side {
  readonly certificate: Certificate;
  readonly roots: string;
}

interface Met {
  readonly protocol: string | null;
  /** Whom the server saw, and whom the client. */
  readonly client: string | undefined;
  readonly server: string | undefined;
}

/** A connection with TLS 1.3 and certificates on both sides; rejects when either is refused. */
export async function meeting(server: Side, client: Side): Promise<Met> {
  const listening = createServer({ ...secrets(server), requestCert: true });
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const { port } = listening.address() as AddressInfo;
  const accepted = once(listening, 'secureConnection') as Promise<[TLSSocket]>;
  const refused = once(listening, 'tlsClientError').then(([error]) =>
    Promise.reject(error as Error),
  );
  const checkServerIdentity = (): undefined => undefined;
  const calling = connect({ ...secrets(client), host: '127.0.0.1', port, checkServerIdentity });
  try {
    const [[caller]] = await Promise.all([
      Promise.race([accepted, refused]),
      once(calling, 'secureConnect'),
    ]);
    const protocol = calling.getProtocol();
    return { protocol, client: uriOf(caller), server: uriOf(calling) };
  } finally {
    calling.destroy();
    listening.close();
  }
}

function secrets({ certificate, roots }: Side) {
  const { chain: cert, key } = certificate;
  return { cert, key, ca: roots, minVersion: 'TLSv1.3', rejectUnauthorized: true } as const;
}

const uriOf = (socket: TLSSocket): string | undefined =>
  socket.getPeerX509Certificate()?.subjectAltName?.replace('URI:', '');
