/**
 * An authority that there is already, given by files: the certificate that signs
 * comes first, then what links it to its root, then other roots to trust. What
 * they say holds at once, so that replicas with the same files are equal; the
 * overlap of a rotation is made by whoever writes them.
 */
import type { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { failed, problem, reasonOf, succeeded, type Outcome, type Problem } from '../errors.js';
import type { Log } from '../log.js';
import {
  certificatesIn,
  expiresAtOf,
  fingerprintOf,
  isRoot,
  notBeforeOf,
  pathToRoot,
  privateKeyIn,
} from './reading.js';
import type { Roots, RootStatus, SigningRoot } from './roots.js';
import { isUsable, issuerFieldsOf } from './x509.js';

interface GivenRootsOptions {
  /** Paths. */
  readonly certificate: string;
  readonly key: string;
  readonly log: Log;
}

interface Given {
  readonly signer: SigningRoot;
  /** From the one that signs to its root. */
  readonly path: readonly X509Certificate[];
  readonly roots: readonly X509Certificate[];
  readonly text: string;
}

const rereadMs = 2_000;
const day = 24 * 3_600_000;

/** Problems: `certificate_unavailable`. */
export async function openGivenRoots(
  options: GivenRootsOptions,
  now: number,
): Promise<Outcome<Roots>> {
  const read = await readGiven(options, now);
  return read.ok ? succeeded(new GivenRoots(options, read.value, now)) : read;
}

class GivenRoots implements Roots {
  #problems: readonly Problem[] = [];

  constructor(
    private readonly options: GivenRootsOptions,
    private given: Given,
    private readAt: number,
  ) {}

  list(): readonly RootStatus[] {
    return this.given.roots.map((root) => {
      const fingerprint = fingerprintOf(root);
      return {
        state: fingerprint === this.given.signer.fingerprint ? 'signing' : 'trusted',
        ...{ fingerprint, since: notBeforeOf(root), until: undefined },
        ...{ expiresAt: expiresAtOf(root), certificate: root.toString() },
      };
    });
  }

  signer(): SigningRoot {
    return this.given.signer;
  }

  /** Whoever gives roots lets the new one be known first. */
  known(): SigningRoot {
    return this.given.signer;
  }

  keyOf(fingerprint: string) {
    const { signer } = this.given;
    return signer.fingerprint === fingerprint ? signer.key : undefined;
  }

  rotate(): Promise<Outcome<void>> {
    const { certificate, key } = this.options;
    const message =
      `The authority is given by files: add the new root to ${certificate} at every replica; ` +
      `when all have renewed, put it first there and its key into ${key}; ` +
      'after one more life take out the old one.';
    return Promise.resolve(failed(problem('request_invalid', {}, message)));
  }

  async look(now: number): Promise<void> {
    if (now - this.readAt < rereadMs) return;
    this.readAt = now;
    const read = await readGiven(this.options, now);
    if (read.ok && read.value.text !== this.given.text) {
      this.given = read.value;
      this.options.log.info({ root: this.given.signer.fingerprint }, 'the authority was replaced');
    }
    this.#problems = read.ok ? [] : read.problems;
  }

  problems(now: number): readonly Problem[] {
    const near = this.given.path.find((each) => expiresAtOf(each) - now < noticeMs(each));
    if (!near) return this.#problems;
    const message =
      `${nameOf(near)} of the authority in ${this.options.certificate} ends at ` +
      `${new Date(expiresAtOf(near)).toISOString()}: bring in its successor before.`;
    return [...this.#problems, problem('certificate_unavailable', {}, message)];
  }
}

/** How long before its end a given certificate is spoken of. */
const noticeMs = (each: X509Certificate): number =>
  Math.min(30 * day, (expiresAtOf(each) - notBeforeOf(each)) / 3);

const nameOf = ({ subject }: X509Certificate): string => subject.replaceAll('\n', ', ');

async function readGiven(options: GivenRootsOptions, now: number): Promise<Outcome<Given>> {
  const { certificate, key } = options;
  try {
    const texts = [await readFile(certificate, 'utf8'), await readFile(key, 'utf8')] as const;
    const given = givenIn(texts, options, now);
    if (typeof given !== 'string') return succeeded(given);
    const mend = 'Correct identity.authority, or leave it out for an authority of our own.';
    return failed(problem('certificate_unavailable', {}, `${given}. ${mend}`));
  } catch (error) {
    const message = `The files of identity.authority cannot be read: ${reasonOf(error)}.`;
    return failed(problem('certificate_unavailable', {}, message));
  }
}

/** What they hold, or what speaks against it. */
function givenIn(
  [certificateText, keyText]: readonly [string, string],
  { certificate, key: keyPath }: GivenRootsOptions,
  now: number,
): Given | string {
  const certificates = certificatesIn(certificateText);
  const [first] = certificates ?? [];
  const fields = first && issuerFieldsOf(first.raw);
  if (!certificates || !fields) return `${certificate} holds no certificate in PEM`;
  const key = privateKeyIn(keyText);
  if (!key) return `${keyPath} holds no private key in PEM that is without a passphrase`;
  if (!isUsable(key))
    return `The key in ${keyPath} is not of ECDSA P-256 or P-384, or RSA from 2048`;
  if (!first.checkPrivateKey(key))
    return `The key in ${keyPath} is not the one of the first certificate in ${certificate}`;
  if (!first.ca) return `${nameOf(first)}, first in ${certificate}, is no authority`;
  const ended = certificates.find((each) => expiresAtOf(each) <= now);
  if (ended) return `${nameOf(ended)} in ${certificate} has ended at ${ended.validTo}`;
  const roots = certificates.filter(isRoot);
  const path = pathToRoot(certificates, roots, now);
  const root = path?.at(-1);
  if (!path || !root)
    return `Nothing in ${certificate} leads from its first certificate to a root that is valid now`;
  const signer = {
    ...{ ...fields, key, fingerprint: fingerprintOf(root) },
    chain: path.slice(0, -1).join(''),
    expiresAt: Math.min(...path.map(expiresAtOf)),
  };
  return { signer, path, roots, text: `${certificateText}\n${keyText}` };
}
