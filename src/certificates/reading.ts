/** PEM as files, issuers and people hold it, read and checked with what Node has. */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';

const block = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** The certificates in a text, in its order; undefined when there is none, or one is broken. */
export function certificatesIn(text: string): readonly X509Certificate[] | undefined {
  try {
    const found = (text.match(block) ?? []).map((each) => new X509Certificate(each));
    return found.length > 0 ? found : undefined;
  } catch {
    return undefined;
  }
}

/** Undefined when there is none that can be read without a passphrase. */
export function privateKeyIn(text: string): KeyObject | undefined {
  try {
    return createPrivateKey(text);
  } catch {
    return undefined;
  }
}

export const notBeforeOf = ({ validFrom }: X509Certificate): number => Date.parse(validFrom);
export const expiresAtOf = ({ validTo }: X509Certificate): number => Date.parse(validTo);

/** SHA-256 of the DER, lower-case hexadecimal. */
export function fingerprintOf(certificate: string | X509Certificate): string {
  const read = typeof certificate === 'string' ? new X509Certificate(certificate) : certificate;
  return read.fingerprint256.replaceAll(':', '').toLowerCase();
}

const isSignedBy = (one: X509Certificate, by: X509Certificate): boolean =>
  one.checkIssued(by) && one.verify(by.publicKey);

export const isRoot = (certificate: X509Certificate): boolean =>
  certificate.ca && isSignedBy(certificate, certificate);

/**
 * What leads from the first of `certificates` to one of `roots`, the root last;
 * undefined when nothing does, or a link of it is not valid now.
 */
export function pathToRoot(
  certificates: readonly X509Certificate[],
  roots: readonly X509Certificate[],
  now: number,
): readonly X509Certificate[] | undefined {
  const path: X509Certificate[] = [];
  let [at] = certificates;
  while (at && isValid(at, now) && path.length < certificates.length + 1) {
    path.push(at);
    if (isRoot(at)) {
      const { raw } = at;
      return roots.some((root) => root.raw.equals(raw)) ? path : undefined;
    }
    at = issuerOf(at, [...roots, ...certificates]);
  }
  return undefined;
}

function issuerOf(
  certificate: X509Certificate,
  among: readonly X509Certificate[],
): X509Certificate | undefined {
  return among.find((each) => each.ca && isSignedBy(certificate, each));
}

const isValid = (certificate: X509Certificate, now: number): boolean =>
  notBeforeOf(certificate) <= now && now < expiresAtOf(certificate);

/** The URIs among its names. */
export function urisOf({ subjectAltName }: X509Certificate): readonly string[] {
  // Node puts a name that could be misread in quotes.
  const names = subjectAltName?.match(/(?:"(?:[^"\\]|\\.)*"|[^",])+/g) ?? [];
  return names.flatMap((name) => /^\s*URI:(.*)$/.exec(name)?.[1] ?? []);
}
