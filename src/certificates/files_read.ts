/** What the files of a workload must hold to be shown to others; nothing else is. Pure. */
import { join } from 'node:path';
import type { X509Certificate } from 'node:crypto';
import type { Certificate } from './certificate.js';
import {
  certificatesIn,
  expiresAtOf,
  isRoot,
  notBeforeOf,
  pathToRoot,
  privateKeyIn,
  urisOf,
} from './reading.js';

export interface Pair {
  readonly folder: string;
  /** Names of the certificate's file and the key's. */
  readonly files: readonly [string, string];
  /** PEM, both. */
  readonly chain: string;
  readonly key: string;
}

interface Wanted {
  readonly spiffeId: string;
  /** PEM. */
  readonly roots: string;
}

const purposes = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'] as const;

/** The roots to trust, in one form; undefined when there is none that is valid now. */
export function rootsIn(text: string, now: number): string | undefined {
  const valid = certificatesIn(text)?.filter(
    (each) => isRoot(each) && notBeforeOf(each) <= now && now < expiresAtOf(each),
  );
  return valid && valid.length > 0 ? [...new Set(valid.map(String))].join('') : undefined;
}

/** The certificate, or what speaks against it. */
export function certificateIn(pair: Pair, wanted: Wanted, now: number): Certificate | string {
  const [file, keyFile] = pair.files.map((name) => join(pair.folder, name)) as [string, string];
  const certificates = certificatesIn(pair.chain);
  const [leaf] = certificates ?? [];
  if (!certificates || !leaf) return `${file} holds no certificate in PEM`;
  const key = privateKeyIn(pair.key);
  if (!key) return `${keyFile} holds no private key in PEM that is without a passphrase`;
  if (!leaf.checkPrivateKey(key)) return `The key in ${keyFile} is not the one of ${file}`;
  const objection = objectionTo(leaf, wanted.spiffeId, now);
  if (objection !== undefined) return `${file} ${objection}`;
  const roots = certificatesIn(wanted.roots) ?? [];
  const path = pathToRoot(certificates, roots, now);
  if (!path) return `Nothing in ${file} leads to a root in ${join(pair.folder, 'roots.pem')}`;
  return {
    // Without its root, which the other side has or does not trust.
    chain: path.slice(0, -1).join(''),
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    spiffeId: wanted.spiffeId,
    notBefore: notBeforeOf(leaf),
    expiresAt: Math.min(...path.map(expiresAtOf)),
  };
}

function objectionTo(leaf: X509Certificate, spiffeId: string, now: number): string | undefined {
  const uris = urisOf(leaf);
  if (uris.length !== 1 || uris[0] !== spiffeId) {
    const found = uris.length === 0 ? 'none' : uris.join(', ');
    return `must name the URI ${spiffeId} and no other, and names ${found}`;
  }
  if (expiresAtOf(leaf) <= now) return `has ended at ${instant(expiresAtOf(leaf))}`;
  if (notBeforeOf(leaf) > now) return `holds only from ${instant(notBeforeOf(leaf))} on`;
  if (leaf.ca) return 'holds an authority first, and the leaf must come first';
  // Node's types promise an array where there is none.
  const usage = leaf.keyUsage as readonly string[] | undefined;
  if (usage && !purposes.every((purpose) => usage.includes(purpose)))
    return 'must be for servers and for clients (serverAuth, clientAuth)';
  return undefined;
}

const instant = (at: number): string => new Date(at).toISOString();
