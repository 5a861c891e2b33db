/**
 * Roots that MCPX makes for itself at its first start, and follows up by
 * itself. One file holds them with their keys, so that they never disagree.
 */
import {
  createPrivateKey,
  generateKeyPairSync,
  randomUUID,
  X509Certificate,
  type KeyObject,
} from 'node:crypto';
import { chmod, link, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { z } from 'zod';
import { failed, problem, reasonOf, succeeded, type Outcome, type Problem } from '../errors.js';
import type { Log } from '../log.js';
import { fingerprintOf } from './reading.js';
import type { Roots, RootStatus, SigningRoot } from './roots.js';
import {
  due,
  hastened,
  known,
  signing,
  signsFrom,
  standings,
  withLife,
  type Haste,
} from './rotation.js';
import { issuerFieldsOf, rootCertificate } from './x509.js';

const fileSchema = z.strictObject({
  format: z.literal(1),
  roots: z
    .array(
      z.strictObject({
        certificate: z.string(),
        key: z.string(),
        madeAt: z.number(),
        expiresAt: z.number(),
        signsFrom: z.number(),
        leafLifeMs: z.number(),
      }),
    )
    .min(1),
});

type Root = Readonly<z.infer<typeof fileSchema>['roots'][number]>;

interface OwnRootsOptions {
  readonly folder: string;
  readonly trustDomain: string;
  readonly lifeMs: number;
  readonly log: Log;
}

const day = 24 * 3_600_000;
const rootLifeMs = 3_650 * day;
/** Every Envoy is sent all of them. */
const rootsMax = 6;

/** Problems: `certificate_unavailable`. */
export async function openOwnRoots(options: OwnRootsOptions, now: number): Promise<Outcome<Roots>> {
  const { folder, lifeMs, log } = options;
  const path = join(folder, 'authority.json');
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
    const present = await readRoots(path, log);
    const read = present ?? (await firstRoots(path, [await made(options, { from: now, now })]));
    const roots = withLife(read, lifeMs);
    if (roots.some((root, index) => root !== read[index])) await keep(path, roots);
    return succeeded(new OwnRoots(options, path, roots));
  } catch (error) {
    const mend = 'Put back a copy of it; without one, move it away, and every node joins anew.';
    const message = `The authority in ${path} cannot be used: ${reasonOf(error)}. ${mend}`;
    return failed(problem('certificate_unavailable', {}, message));
  }
}

class OwnRoots implements Roots {
  #writing: Promise<unknown> = Promise.resolve();
  #failure: Problem | undefined;

  constructor(
    private readonly options: OwnRootsOptions,
    private readonly path: string,
    private roots: readonly Root[],
  ) {}

  list(now: number): readonly RootStatus[] {
    return standings(this.roots, now).map(({ root, state, since, until }) => ({
      ...{ fingerprint: fingerprintOf(root.certificate), state, since, until },
      ...{ expiresAt: root.expiresAt, certificate: root.certificate },
    }));
  }

  signer(now: number): SigningRoot {
    const root = signing(this.roots, now);
    if (!root) throw new Error('An authority has a root from its first start on.');
    return signerOf(root);
  }

  known(now: number): SigningRoot {
    const standing = known(this.roots, now);
    if (!standing) return this.signer(now);
    const { root, until = Infinity, state } = standing;
    const signer = signerOf(root);
    // One that is retiring was said to go then.
    return state === 'retiring'
      ? { ...signer, expiresAt: Math.min(signer.expiresAt, until) }
      : signer;
  }

  keyOf(fingerprint: string, now: number): KeyObject | undefined {
    const found = standings(this.roots, now).find(
      ({ root }) => fingerprintOf(root.certificate) === fingerprint,
    );
    return found && createPrivateKey(found.root.key);
  }

  rotate(haste: Haste, now: number): Promise<Outcome<void>> {
    return this.#inTurn(() => this.#rotated(haste, now));
  }

  look(now: number): Promise<void> {
    return this.#inTurn(async () => {
      const haste = due(this.roots, now);
      if (haste) await this.#rotated(haste, now);
      const present = standings(this.roots, now).map(({ root }) => root);
      if (present.length < this.roots.length) await this.#become(present);
    });
  }

  problems(): readonly Problem[] {
    return this.#failure ? [this.#failure] : [];
  }

  async #rotated(haste: Haste, now: number): Promise<Outcome<void>> {
    const trusted = standings(this.roots, now);
    const present = trusted.map(({ root }) => root);
    // Asked for again, it is the one under way.
    if (trusted.some(({ state }) => state === 'next'))
      return haste === 'now' ? this.#become(hastened(present, now)) : succeeded(undefined);
    if (present.length >= rootsMax) {
      const oldest = new Date(trusted[0]?.until ?? now).toISOString();
      const message = `${present.length} roots are trusted: wait until ${oldest}, when one goes.`;
      return failed(problem('request_invalid', {}, message));
    }
    const from = signsFrom(present, haste, now);
    return this.#become([...present, await made(this.options, { from, now })]);
  }

  /** One change after the other, each on what the one before has left. */
  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#writing.then(change);
    this.#writing = turn.catch(() => undefined);
    return turn;
  }

  /** Kept first: a root that signs and is forgotten at a restart would cut off whom it signed. */
  async #become(roots: readonly Root[]): Promise<Outcome<void>> {
    try {
      await keep(this.path, roots);
      this.roots = roots;
      this.#failure = undefined;
      return succeeded(undefined);
    } catch (error) {
      const message = `${this.path} cannot be written: ${reasonOf(error)}. Mend it; roots stay.`;
      this.#failure = problem('certificate_unavailable', {}, message);
      return failed(this.#failure);
    }
  }
}

/** Read once: every leaf asks for it. */
const signers = new WeakMap<Root, SigningRoot>();

function signerOf(root: Root): SigningRoot {
  const signer = signers.get(root) ?? readSigner(root);
  signers.set(root, signer);
  return signer;
}

function readSigner({ certificate, key, expiresAt }: Root): SigningRoot {
  const fields = issuerFieldsOf(new X509Certificate(certificate).raw);
  if (!fields) throw new Error('A root of our own has a subject.');
  const fingerprint = fingerprintOf(certificate);
  return { ...fields, key: createPrivateKey(key), fingerprint, chain: '', expiresAt };
}

async function made(
  { trustDomain, lifeMs }: OwnRootsOptions,
  { from, now }: { readonly from: number; readonly now: number },
): Promise<Root> {
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const expiresAt = Math.floor((now + Math.max(rootLifeMs, 4 * lifeMs)) / 1_000) * 1_000;
  const certificate = await rootCertificate({ key, trustDomain, notBefore: now - day, expiresAt });
  return {
    certificate,
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    ...{ madeAt: now, expiresAt, signsFrom: from, leafLifeMs: lifeMs },
  };
}

const textOf = (roots: readonly Root[]): string =>
  `${JSON.stringify({ format: 1, roots }, undefined, 2)}\n`;

const keep = (path: string, roots: readonly Root[]): Promise<void> =>
  writeFileAtomic(path, textOf(roots), { mode: 0o600 });

async function readRoots(path: string, log: Log): Promise<readonly Root[] | undefined> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  if (((await stat(path)).mode & 0o077) !== 0) {
    log.warn({ path }, 'others could read the keys of the authority: `mcpx ca rotate` if they did');
    await chmod(path, 0o600);
  }
  const { roots } = fileSchema.parse(jsonIn(text));
  // Each is tried now, rather than when it is to sign.
  for (const root of roots) {
    if (new X509Certificate(root.certificate).checkPrivateKey(signerOf(root).key)) continue;
    throw new Error('a certificate and its key do not fit together');
  }
  return roots;
}

/** The reason of a parser would show what it has read: keys. */
function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('it is no JSON');
  }
}

/** Of two that start at once on one folder, both hold what the first has made. */
async function firstRoots(path: string, roots: readonly Root[]): Promise<readonly Root[]> {
  const mine = `${path}.${randomUUID()}`;
  try {
    await writeFile(mine, textOf(roots), { mode: 0o600 });
    await link(mine, path);
    return roots;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return fileSchema.parse(jsonIn(await readFile(path, 'utf8'))).roots;
  } finally {
    await rm(mine, { force: true });
  }
}
