/**
 * Joins a control plane by a token: the key is made here and never leaves, the
 * certificate lands in a folder beside whom to trust.
 */
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import {
  certificatesIn,
  expiresAtOf,
  fingerprintOf,
  notBeforeOf,
} from '../certificates/reading.js';
import { requestFor } from '../certificates/x509.js';
import { failed, problem, succeeded, type Outcome } from '../errors.js';
import { spiffeIdIn } from '../xds/identity.js';
import { join, renew, rootShownBy, type Address, type Admitted } from './client.js';
import { prepareFolder, readIdentity, writeIdentity, type Identity } from './identity_files.js';
import { readToken, type Claims } from './token.js';

export interface JoinRequest {
  /** Undefined: the folder holds what was joined with. */
  readonly token: string | undefined;
  /** Every replica of the control plane. */
  readonly xds: readonly Address[];
  readonly folder: string;
}

/** An identity and what its certificate says. */
export interface Held extends Identity {
  readonly id: string;
  /** ms since the epoch, both. */
  readonly notBefore: number;
  readonly expiresAt: number;
}

/** What the folder holds, or else what the token gives; `joined`: it is new. */
export async function joined(
  { token, xds, folder }: JoinRequest,
  now: number,
): Promise<Outcome<{ readonly held: Held; readonly joined: boolean }>> {
  const claims = token === undefined ? undefined : readToken(token);
  if (token !== undefined && !claims) return refused(words.noToken);
  // Before anything is asked for: a token is good for once.
  const prepared = await prepareFolder(folder);
  if (!prepared.ok) return prepared;
  const read = await readIdentity(folder);
  if (!read.ok && token === undefined) return read;
  const held = read.ok && read.value ? heldOf(read.value) : undefined;
  if (held && held.expiresAt > now && isMeant(held, claims))
    return succeeded({ held, joined: false });
  if (token === undefined || !claims)
    return refused(held ? words.ended(held) : words.nobody(folder));
  if (held && held.expiresAt > now && held.id !== claims.id && isOfSame(held, claims))
    return refused(words.other(folder, held.id, claims.id));
  const admitted = await joinAt(xds, claims, token);
  if (!admitted.ok) return admitted;
  const written = await writeIdentity(folder, admitted.value);
  return written.ok ? succeeded({ held: admitted.value, joined: true }) : written;
}

/** Whether it is what this token, if any, would give. */
const isMeant = (held: Held, claims: Claims | undefined): boolean =>
  claims === undefined || (held.id === claims.id && isOfSame(held, claims));

/** Of the control plane that made the token, as far as roots tell. */
const isOfSame = ({ roots }: Held, claims: Claims): boolean =>
  (certificatesIn(roots) ?? []).some((root) => claims.roots.includes(fingerprintOf(root)));

async function joinAt(
  xds: readonly Address[],
  { id, roots: fingerprints }: Claims,
  token: string,
): Promise<Outcome<Held>> {
  const trustDomain = trustDomainOf(id);
  return atOneOf(xds, async (address) => {
    const root = await rootShownBy(address, fingerprints);
    if (!root.ok) return { outcome: root, final: false };
    const { key, request } = await newKey();
    const trust = { roots: root.value, trustDomain };
    const admitted = await join(address, trust, { token, request });
    return { outcome: checked(admitted, { key, id }), final: isFinal(admitted) };
  });
}

/** The same identity with a new key. Problems: `identity_refused`, `certificate_unavailable`. */
export async function renewed(
  { xds, folder }: Omit<JoinRequest, 'token'>,
  held: Held,
): Promise<Outcome<Held>> {
  const { id } = held;
  const trust = { ...held, trustDomain: trustDomainOf(id) };
  const outcome = await atOneOf(xds, async (address) => {
    const { key, request } = await newKey();
    const admitted = await renew(address, trust, request);
    return { outcome: checked(admitted, { key, id }), final: isFinal(admitted) };
  });
  if (!outcome.ok) return outcome;
  const written = await writeIdentity(folder, outcome.value);
  return written.ok ? outcome : written;
}

interface Tried {
  readonly outcome: Outcome<Held>;
  /** No other replica would answer anything else. */
  readonly final: boolean;
}

async function atOneOf(
  xds: readonly Address[],
  attempt: (address: Address) => Promise<Tried>,
): Promise<Outcome<Held>> {
  const problems = [];
  for (const address of xds) {
    const { outcome, final } = await attempt(address);
    if (outcome.ok || final) return outcome;
    problems.push(...outcome.problems);
  }
  return failed(...problems);
}

const isFinal = (admitted: Outcome<Admitted>): boolean =>
  !admitted.ok && admitted.problems.some(({ code }) => code === 'identity_refused');

/** A key and the request for its certificate, PEM. */
export async function newKey() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { key, request: await requestFor(privateKey) };
}

/** What was given is for this key and says who was meant, or is not kept. */
function checked(
  admitted: Outcome<Admitted>,
  { key, id }: { readonly key: string; readonly id: string },
): Outcome<Held> {
  if (!admitted.ok) return admitted;
  const held = heldOf({ ...admitted.value, key });
  if (held?.id === id) return succeeded(held);
  const message = `The control plane gave no certificate for ${id} and its key. Look at its log.`;
  return failed(problem('certificate_unavailable', {}, message));
}

/** Undefined where certificate and key do not go together, or nobody is named. */
function heldOf(identity: Identity): Held | undefined {
  const [leaf] = certificatesIn(identity.chain) ?? [];
  const id = spiffeIdIn(leaf?.subjectAltName);
  if (!leaf || id === undefined || !isKeyOf(leaf, identity.key)) return undefined;
  return { ...identity, id, notBefore: notBeforeOf(leaf), expiresAt: expiresAtOf(leaf) };
}

function isKeyOf(leaf: X509Certificate, key: string): boolean {
  try {
    return leaf.checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

const trustDomainOf = (id: string): string => id.replace(/^spiffe:\/\/([^/]*).*$/, '$1');

const refused = (message: string): Outcome<never> =>
  failed(problem('request_invalid', {}, message));

const words = {
  noToken:
    'This is no join token: it is one word that begins with mcpx1. Print one with ' +
    '`mcpx bootstrap`.',
  nobody: (folder: string) =>
    `Nobody has joined in ${folder}. Print a token with \`mcpx bootstrap\` and give it by --token.`,
  ended: ({ id, expiresAt }: Held) =>
    `The certificate of ${id} ended at ${new Date(expiresAt).toISOString()} and cannot be ` +
    'renewed any more. Print a token with `mcpx bootstrap` and join again.',
  other: (folder: string, held: string, wanted: string) =>
    `${folder} holds the certificate of ${held}, and the token is for ${wanted}. Name another ` +
    'folder with --folder, or remove this one.',
} as const;
