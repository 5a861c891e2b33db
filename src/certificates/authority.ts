/**
 * The built-in authority: signs every certificate of MCPX's own links, and of
 * workloads where no other issuer is configured.
 */
import { generateKeyPair as generate, hkdfSync, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import type { Clock } from '../clock.js';
import { failed, problem, reasonOf, succeeded, type Outcome, type Problem } from '../errors.js';
import { Latest } from '../latest.js';
import type { Log } from '../log.js';
import { everyBeat, type Beat } from './beat.js';
import type { Certificate } from './certificate.js';
import { openGivenRoots } from './given_roots.js';
import { openOwnRoots } from './own_roots.js';
import { skewMsOf } from './renewal.js';
import type { Roots, RootStatus, SigningRoot } from './roots.js';
import type { Haste } from './rotation.js';
import { leafCertificate, publicKeyIn } from './x509.js';

export interface AuthorityOptions {
  /** `authority` of the data folder: made where it is not there. */
  readonly folder: string;
  /** Files of an authority that there is already, PEM; both or none. */
  readonly given?: { readonly certificate: string; readonly key: string } | undefined;
  readonly trustDomain: string;
  /** Of a certificate, in ms. */
  readonly lifeMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly beat?: Beat;
}

/** A certificate for somebody else's key. */
export interface Signed {
  /** The leaf first, then what links it to a root; PEM. */
  readonly chain: string;
  /** ms since the epoch, both. */
  readonly notBefore: number;
  readonly expiresAt: number;
}

export interface Authority {
  readonly trustDomain: string;
  /** Every root that is trusted now, PEM. */
  readonly roots: Latest<string>;
  /** Fingerprint of the root under which leaves are signed now. */
  readonly signer: Latest<string>;
  list(): readonly RootStatus[];
  /** `edge` → `spiffe://<trust domain>/edge`. */
  spiffeIdOf(workload: string): string;
  /** A key and its certificate. */
  issue(spiffeId: string): Promise<Outcome<Certificate>>;
  /**
   * For a link by which others learn of roots: under one that they know already, also right after
   * a rotation. `hosts`: names and addresses by which clients call it.
   */
  issueForLink(spiffeId: string, hosts: readonly string[]): Promise<Outcome<Certificate>>;
  /** For the key of a PKCS#10 request, whose own names count for nothing. */
  signRequest(request: string, spiffeId: string, lifeMs?: number): Promise<Outcome<Signed>>;
  /** soon: signs when everybody had time to trust it; now: at once. */
  rotate(haste: Haste): Promise<Outcome<readonly RootStatus[]>>;
  /** A key made from a root's, the same at all who hold that root; undefined: no such root. */
  secretFor(purpose: string, fingerprint: string): Buffer | undefined;
  problems(): readonly Problem[];
  close(): Promise<void>;
}

/** Problems: `certificate_unavailable`. */
export async function openAuthority(options: AuthorityOptions): Promise<Outcome<Authority>> {
  const { given, clock, log } = options;
  const opened = given
    ? await openGivenRoots({ ...given, log }, clock.now())
    : await openOwnRoots(options, clock.now());
  if (!opened.ok) return opened;
  const authority = new RootedAuthority(options, opened.value);
  await authority.look();
  authority.start();
  return succeeded(authority);
}

const generateKeyPair = promisify(generate);

class RootedAuthority implements Authority {
  readonly trustDomain: string;
  readonly roots = new Latest('');
  readonly signer = new Latest('');
  #stop: () => void = () => undefined;
  #looking: Promise<void> | undefined;

  constructor(
    private readonly options: AuthorityOptions,
    private readonly held: Roots,
  ) {
    this.trustDomain = options.trustDomain;
    this.#publish();
  }

  start(): void {
    this.#stop = (this.options.beat ?? everyBeat)(() => {
      this.#looking ??= this.look().finally(() => (this.#looking = undefined));
    });
  }

  async look(): Promise<void> {
    try {
      await this.held.look(this.options.clock.now());
    } catch (error) {
      this.options.log.error({ reason: reasonOf(error) }, 'the roots cannot be looked after');
    }
    this.#publish();
  }

  list(): readonly RootStatus[] {
    return this.held.list(this.options.clock.now());
  }

  spiffeIdOf(workload: string): string {
    return `spiffe://${this.trustDomain}/${workload}`;
  }

  issue(spiffeId: string): Promise<Outcome<Certificate>> {
    return this.#issue({ spiffeId, hosts: [] }, this.held.signer(this.options.clock.now()));
  }

  issueForLink(spiffeId: string, hosts: readonly string[]): Promise<Outcome<Certificate>> {
    return this.#issue({ spiffeId, hosts }, this.held.known(this.options.clock.now()));
  }

  async #issue(whom: Omit<Whom, 'publicKey'>, by: SigningRoot): Promise<Outcome<Certificate>> {
    const { publicKey, privateKey } = await generateKeyPair('ec', { namedCurve: 'P-256' });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const signed = await this.#sign({ publicKey, ...whom }, this.options.lifeMs, by);
    return signed.ok ? succeeded({ ...signed.value, key, spiffeId: whom.spiffeId }) : signed;
  }

  async signRequest(
    request: string,
    spiffeId: string,
    lifeMs = this.options.lifeMs,
  ): Promise<Outcome<Signed>> {
    const publicKey = await publicKeyIn(request);
    if (publicKey) return this.#sign({ publicKey, spiffeId, hosts: [] }, lifeMs);
    const message =
      'This is no certificate request in PEM that is signed with its own key: ' +
      'ECDSA P-256 or P-384, or RSA from 2048 bits. Make a new one with `mcpx join`.';
    return failed(problem('request_invalid', {}, message));
  }

  async rotate(haste: Haste): Promise<Outcome<readonly RootStatus[]>> {
    const rotated = await this.held.rotate(haste, this.options.clock.now());
    if (!rotated.ok) return rotated;
    this.#publish();
    this.options.log.info({ signer: this.signer.value, haste }, 'roots are rotated');
    return succeeded(this.list());
  }

  secretFor(purpose: string, fingerprint: string): Buffer | undefined {
    const key = this.held.keyOf(fingerprint, this.options.clock.now());
    const material = key?.export({ type: 'pkcs8', format: 'der' });
    return material && Buffer.from(hkdfSync('sha256', material, '', `mcpx ${purpose}`, 32));
  }

  problems(): readonly Problem[] {
    return this.held.problems(this.options.clock.now());
  }

  async close(): Promise<void> {
    this.#stop();
    await this.#looking;
  }

  #publish(): void {
    const now = this.options.clock.now();
    const trusted = this.held.list(now).map(({ certificate }) => certificate);
    // Trusted first, so that nobody is shown a leaf under a root not known yet.
    this.roots.set(trusted.join(''));
    this.signer.set(this.held.signer(now).fingerprint);
  }

  async #sign(
    whom: Whom,
    wishedMs: number,
    signer = this.held.signer(this.options.clock.now()),
  ): Promise<Outcome<Signed>> {
    const now = this.options.clock.now();
    // No longer than told at the start: a root goes when what it signed has ended.
    const lifeMs = Math.min(wishedMs, this.options.lifeMs);
    const notBefore = wholeSecond(now - skewMsOf(lifeMs));
    const expiresAt = wholeSecond(Math.min(now + lifeMs, signer.expiresAt));
    if (expiresAt <= now) {
      const message = 'The authority has ended, or lives are too short. See `mcpx ca show`.';
      return failed(problem('certificate_unavailable', {}, message));
    }
    const leaf = await leafCertificate(signer, { ...whom, notBefore, expiresAt });
    return succeeded({ chain: `${leaf}${signer.chain}`, notBefore, expiresAt });
  }
}

interface Whom {
  readonly publicKey: KeyObject;
  readonly spiffeId: string;
  readonly hosts: readonly string[];
}

/** Certificates know no parts of one. */
const wholeSecond = (at: number): number => Math.floor(at / 1_000) * 1_000;
