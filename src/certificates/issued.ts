/** What a service elsewhere signed for us: checked before anybody is served with it. */
import type { X509Certificate } from 'node:crypto';
import { failed, problem, succeeded, type Outcome } from '../errors.js';
import type { Certificate } from './certificate.js';
import { certificatesIn, expiresAtOf, notBeforeOf, privateKeyIn, urisOf } from './reading.js';

interface Issued {
  /** The leaf first, PEM. */
  readonly chain: string;
  /** PEM. */
  readonly key: string;
  /** Of its SPIFFE ID, or all of it. */
  readonly ending: string;
}

/** One PEM text; none twice. */
export const bundleOf = (certificates: readonly X509Certificate[]): string =>
  [...new Set(certificates.map(String))].join('');

/** Problems: `certificate_unavailable`. */
export function readIssued(workload: string, { chain, key, ending }: Issued): Outcome<Certificate> {
  const certificates = certificatesIn(chain);
  const [leaf] = certificates ?? [];
  const privateKey = privateKeyIn(key);
  if (!certificates || !leaf || !privateKey)
    return unusable(workload, 'holds a certificate or a key that cannot be read');
  if (!leaf.checkPrivateKey(privateKey))
    return unusable(workload, 'holds a key that is not its certificate’s');
  const [spiffeId, ...others] = urisOf(leaf);
  if (spiffeId?.startsWith('spiffe://') !== true || others.length > 0)
    return unusable(workload, 'names not exactly one SPIFFE ID');
  if (!spiffeId.endsWith(ending)) return unusable(workload, `names ${spiffeId}, somebody else`);
  return succeeded({
    chain: bundleOf(certificates),
    ...{ key, spiffeId },
    notBefore: notBeforeOf(leaf),
    expiresAt: expiresAtOf(leaf),
  });
}

function unusable(workload: string, what: string): Outcome<never> {
  const message =
    `What was given as the certificate of ${workload} ${what}. ` +
    'Correct whoever signs for workloads (identity.issuer).';
  return failed(problem('certificate_unavailable', { service: workload }, message));
}
