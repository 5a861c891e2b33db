/**
 * The way in, from the other machine. Nothing is sent before the server has
 * shown that it is the control plane, under a root that is known already.
 */
import {
  Client,
  credentials,
  status,
  type ChannelCredentials,
  type ServiceError,
} from '@grpc/grpc-js';
import { createHash } from 'node:crypto';
import { connect, type DetailedPeerCertificate, type PeerCertificate } from 'node:tls';
import { failed, problem, reasonOf, succeeded, type Outcome } from '../errors.js';
import { admissionService } from '../protos.js';
import { spiffeIdIn } from '../xds/identity.js';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What the control plane gave, PEM. */
export interface Admitted {
  readonly chain: string;
  readonly roots: string;
}

/** How the server is known. */
interface Trust {
  /** PEM. */
  readonly roots: string;
  readonly trustDomain: string;
}

interface Shown {
  /** PEM, both. */
  readonly chain: string;
  readonly key: string;
}

const callMs = 10_000;

/** Problems: `identity_refused`, `certificate_unavailable`. */
export async function join(
  address: Address,
  trust: Trust,
  message: { readonly token: string; readonly request: string },
): Promise<Outcome<Admitted>> {
  const { Join } = admissionService();
  const trusting = sslWith(trust);
  return call(address, trusting, { path: Join.path, bytes: Join.requestSerialize(message) });
}

/** Problems: `identity_refused`, `certificate_unavailable`. */
export async function renew(
  address: Address,
  trust: Trust & Shown,
  request: string,
): Promise<Outcome<Admitted>> {
  const { Renew } = admissionService();
  const bytes = Renew.requestSerialize({ request });
  return call(address, sslWith(trust, trust), { path: Renew.path, bytes });
}

function sslWith({ roots, trustDomain }: Trust, shown?: Shown): ChannelCredentials {
  const own = shown ? [Buffer.from(shown.key), Buffer.from(shown.chain)] : [];
  const wanted = `spiffe://${trustDomain}/control-plane`;
  const checkServerIdentity = (_: string, { subjectaltname }: PeerCertificate) => {
    const id = spiffeIdIn(subjectaltname);
    const words = `it is ${id ?? 'nobody'} by its certificate, and must be ${wanted}`;
    return id === wanted ? undefined : new Error(words);
  };
  return credentials.createSsl(Buffer.from(roots), own[0], own[1], { checkServerIdentity });
}

interface Sent {
  readonly path: string;
  readonly bytes: Buffer;
}

async function call(
  { host, port }: Address,
  as: ChannelCredentials,
  { path, bytes }: Sent,
): Promise<Outcome<Admitted>> {
  const target = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const client = new Client(target, as, {
    'grpc.enable_http_proxy': 0,
    // By its SPIFFE ID it is known, and not by the name that leads to it.
    'grpc.ssl_target_name_override': 'control-plane',
  });
  const { Join } = admissionService();
  try {
    const answer = await new Promise<Buffer>((resolve, reject) => {
      const pass = (each: Buffer) => each;
      const deadline = { deadline: Date.now() + callMs };
      client.makeUnaryRequest(path, pass, pass, bytes, deadline, (error, value) =>
        value ? resolve(value) : reject(error ?? new Error('it answered nothing')),
      );
    });
    const { chain = '', roots = '' } = Join.responseDeserialize(answer);
    return succeeded({ chain, roots });
  } catch (error) {
    return failed(wordsOf(target, error as ServiceError));
  } finally {
    client.close();
  }
}

/** What another replica would say no differently; the rest may go well there, or later. */
const final: ReadonlySet<status | undefined> = new Set([
  status.PERMISSION_DENIED,
  status.INVALID_ARGUMENT,
]);

function wordsOf(target: string, { code, details, message }: Partial<ServiceError>) {
  const said = (details ?? message ?? '').trim();
  if (final.has(code)) return problem('identity_refused', {}, `${target} refused: ${said}`);
  return unavailable(target, said);
}

const unavailable = (target: string, reason: string) =>
  problem(
    'certificate_unavailable',
    {},
    `${target} gave no certificate: ${reason.replace(/\.$/, '')}.`,
  );

/**
 * The root that the server shows, if it is one of these by its fingerprint.
 * Nothing is sent but what opens a connection, and nothing else of it believed.
 * Problems: `identity_refused`, `certificate_unavailable`.
 */
export async function rootShownBy(
  { host, port }: Address,
  fingerprints: readonly string[],
): Promise<Outcome<string>> {
  const target = `${host}:${port}`;
  let shown: readonly Buffer[];
  try {
    shown = await certificatesShown({ host, port });
  } catch (error) {
    return failed(unavailable(target, reasonOf(error)));
  }
  const root = shown.find((raw) => fingerprints.includes(fingerprintOf(raw)));
  if (root) return succeeded(pemOf(root));
  const message =
    `${target} is not the control plane that made this token: its certificate is under another ` +
    'root. Nothing was sent to it. Look at who answers there, or print another token.';
  return failed(problem('identity_refused', {}, message));
}

async function certificatesShown({ host, port }: Address): Promise<readonly Buffer[]> {
  return new Promise((resolve, reject) => {
    // Checked by its fingerprint instead, and then anew with the root that has it.
    const unchecked = { rejectUnauthorized: false, ALPNProtocols: ['h2'] };
    const socket = connect({ host, port, ...unchecked, minVersion: 'TLSv1.3' });
    const timer = setTimeout(() => socket.destroy(new Error('it did not answer')), callMs);
    socket.once('secureConnect', () => {
      resolve(chainOf(socket.getPeerCertificate(true)));
      // In order: a handshake that breaks off would be counted there as refused.
      socket.end();
    });
    socket.once('error', reject);
    socket.once('close', () => {
      clearTimeout(timer);
      reject(new Error('it closed the connection, as one does that has no TLS'));
    });
  });
}

function chainOf(leaf: DetailedPeerCertificate): readonly Buffer[] {
  const chain: Buffer[] = [];
  let at: Partial<DetailedPeerCertificate> | undefined = leaf;
  while (at?.raw) {
    const { raw } = at;
    // The last is its own issuer.
    if (chain.some((earlier) => earlier.equals(raw))) break;
    chain.push(raw);
    at = at.issuerCertificate;
  }
  return chain;
}

const fingerprintOf = (raw: Buffer): string => createHash('sha256').update(raw).digest('hex');

function pemOf(raw: Buffer): string {
  const lines = raw.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}
