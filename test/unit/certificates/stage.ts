/** Authorities in folders of their own, a clock that is set, and TLS between two leaves. */
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer } from 'node:tls';
import {
  openAuthority,
  type Authority,
  type AuthorityOptions,
} from '../../../src/certificates/authority.js';
import type { Beat } from '../../../src/certificates/beat.js';
import type { Certificate } from '../../../src/certificates/certificate.js';
import {
  issuerFieldsOf,
  leafCertificate,
  rootCertificate,
} from '../../../src/certificates/x509.js';
import type { Outcome } from '../../../src/errors.js';
import { silentLog } from '../../../src/log.js';

export const hour = 3_600_000;
export const day = 24 * hour;

/** Now, on a whole second: handshakes read the real clock. */
export const start = Math.floor(Date.now() / 1_000) * 1_000;

/** A clock that stands, and beats when it is told to. */
export class StandingClock {
  readonly #looks = new Set<() => void>();
  constructor(public at = start) {}

  readonly now = () => this.at;
  readonly beat: Beat = (look) => {
    this.#looks.add(look);
    return () => this.#looks.delete(look);
  };

  get listeners(): number {
    return this.#looks.size;
  }

  async pass(ms: number): Promise<void> {
    this.at += ms;
    for (const look of [...this.#looks]) look();
    await settled();
  }
}

/** What was begun has come to rest: files are written, and those told have been told. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((next) => setImmediate(next));
}

const folders: string[] = [];
const open: { close(): Promise<void> | void }[] = [];

export function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'mcpx-certificates-'));
  folders.push(made);
  return made;
}

export function closing<T extends { close(): Promise<void> | void }>(opened: T): T {
  open.push(opened);
  return opened;
}

/** Closes and removes all that a test has opened. */
export async function cleanUp(): Promise<void> {
  for (const each of open.splice(0)) await each.close();
  for (const each of folders.splice(0)) rmSync(each, { recursive: true, force: true });
}

export function valueOf<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new Error(outcome.problems.map(({ message }) => message).join(' '));
}

export const messageOf = (outcome: Outcome<unknown>): string =>
  outcome.ok ? 'none' : outcome.problems.map(({ message }) => message).join(' ');

export function authorityOptions(changes: Partial<AuthorityOptions> = {}): AuthorityOptions {
  const { clock = new StandingClock() } = changes;
  return {
    ...{ folder: join(folder(), 'authority'), trustDomain: 'mcpx', lifeMs: day, log: silentLog },
    ...{ clock, beat: () => () => undefined },
    ...changes,
  };
}

export async function authorityWith(changes: Partial<AuthorityOptions> = {}): Promise<Authority> {
  return closing(valueOf(await openAuthority(authorityOptions(changes))));
}

interface GivenWish {
  readonly notBefore?: number;
  readonly expiresAt?: number;
  readonly trustDomain?: string;
}

interface GivenRoot {
  readonly certificate: string;
  readonly key: string;
  leaf(wish: LeafWish): Promise<{ readonly chain: string; readonly key: string }>;
}

interface LeafWish {
  readonly spiffeId: string;
  readonly notBefore?: number;
  readonly expiresAt?: number;
}

/** An authority made elsewhere. */
export async function givenRoot(wish: GivenWish = {}): Promise<GivenRoot> {
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { notBefore = start - day, expiresAt = start + 365 * day, trustDomain = 'mcpx' } = wish;
  const certificate = await rootCertificate({ key, trustDomain, notBefore, expiresAt });
  const fields = issuerFieldsOf(new X509Certificate(certificate).raw);
  if (!fields) throw new Error('a root has a subject');
  return {
    ...{ certificate, key: pemOf(key) },
    async leaf({ spiffeId, notBefore = start - hour, expiresAt = start + day }) {
      const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const body = { spiffeId, notBefore, expiresAt, hosts: [], publicKey: pair.publicKey };
      return {
        chain: await leafCertificate({ ...fields, key }, body),
        key: pemOf(pair.privateKey),
      };
    },
  };
}

const pemOf = (key: ReturnType<typeof generateKeyPairSync>['privateKey']): string =>
  key.export({ type: 'pkcs8', format: 'pem' }).toString();

/** Both written, and where. */
export function written(certificate: string, key: string, into = folder()) {
  const paths = { certificate: join(into, 'ca.pem'), key: join(into, 'ca-key.pem') };
  writeFileSync(paths.certificate, certificate);
  writeFileSync(paths.key, key);
  return paths;
}

export const leafOf = ({ chain }: { readonly chain: string }): X509Certificate =>
  new X509Certificate(chain);

interface Side {
  readonly certificate: Pick<Certificate, 'chain' | 'key'>;
  readonly roots: string;
}

/** Whether each trusts the other, as the server sees it. */
export async function handshake(server: Side, client: Side): Promise<'TLSv1.3' | 'refused'> {
  const contextOf = ({ certificate, roots }: Side) => ({
    ...{ cert: certificate.chain, key: certificate.key, ca: roots },
    ...({ minVersion: 'TLSv1.3', requestCert: true, rejectUnauthorized: true } as const),
  });
  const listening = createServer(contextOf(server));
  await new Promise<void>((ready) => listening.listen(0, '127.0.0.1', ready));
  const { port } = listening.address() as AddressInfo;
  const found = new Promise<'TLSv1.3' | 'refused'>((resolve) => {
    listening.once('secureConnection', (socket) => {
      resolve(socket.getProtocol() === 'TLSv1.3' ? 'TLSv1.3' : 'refused');
      socket.destroy();
    });
    listening.once('tlsClientError', () => resolve('refused'));
  });
  const socket = connect({
    ...contextOf(client),
    ...{ host: '127.0.0.1', port, checkServerIdentity: () => undefined },
  });
  socket.on('error', () => undefined);
  const outcome = await found;
  socket.destroy();
  await new Promise((gone) => listening.close(gone));
  return outcome;
}
