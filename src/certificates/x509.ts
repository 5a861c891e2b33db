/**
 * Certificates and requests for them: what is to stand in them is decided here,
 * a library writes and reads them. `reflect-metadata` is what it puts its own
 * parts together with.
 */
import 'reflect-metadata';
import { createPublicKey, webcrypto, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';
import ipaddr from 'ipaddr.js';

/** As WebCrypto calls them. */
interface Algorithm {
  readonly name: string;
  readonly namedCurve?: string;
  readonly hash: string;
}

const algorithms: Readonly<Record<string, Algorithm>> = {
  prime256v1: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  secp384r1: { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  rsa: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
};

const rsaBitsMin = 2_048;

function algorithmOf(key: KeyObject): Algorithm | undefined {
  const { asymmetricKeyType = '', asymmetricKeyDetails } = key;
  const { namedCurve, modulusLength = rsaBitsMin } = asymmetricKeyDetails ?? {};
  return modulusLength < rsaBitsMin ? undefined : algorithms[namedCurve ?? asymmetricKeyType];
}

/** What Envoy takes of a certificate, and what is signed with here. */
export const isUsable = (key: KeyObject): boolean => algorithmOf(key) !== undefined;

/** Whoever signs: its private key, and of its certificate what those it signs repeat. */
export interface Signer {
  readonly key: KeyObject;
  readonly subject: x509.Name;
  /** Hexadecimal. */
  readonly keyId: string | undefined;
}

interface Validity {
  /** ms since the epoch, both. */
  readonly notBefore: number;
  readonly expiresAt: number;
}

export interface LeafWish extends Validity {
  readonly publicKey: KeyObject;
  readonly spiffeId: string;
  readonly hosts: readonly string[];
}

export interface RootWish extends Validity {
  readonly key: KeyObject;
  readonly trustDomain: string;
}

const organization = { O: ['MCPX'] };
const ours = new x509.Name([organization]);
const { keyCertSign, cRLSign, digitalSignature } = x509.KeyUsageFlags;
const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;

const ofRoots = [
  new x509.BasicConstraintsExtension(true, 0, true),
  new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
];

const ofLeaves = [
  new x509.BasicConstraintsExtension(false, undefined, true),
  new x509.KeyUsagesExtension(digitalSignature, true),
  new x509.ExtendedKeyUsageExtension([serverAuth, clientAuth]),
];

/** A certificate that signs itself and leaves, and no other authorities; PEM. */
export async function rootCertificate({ key, trustDomain, ...validity }: RootWish) {
  const spki = spkiOf(createPublicKey(key));
  const keyId = await x509.SubjectKeyIdentifierExtension.create(spki);
  // Roots that overlap are told apart by their names too.
  const commonName = `MCPX ${trustDomain} ${keyId.keyId.slice(0, 8)}`;
  const subject = new x509.Name([organization, { CN: [commonName] }]);
  const name = new x509.SubjectAlternativeNameExtension([uri(`spiffe://${trustDomain}`)]);
  const extensions = [...ofRoots, keyId, name];
  return certificate({ key, subject }, { ...validity, subject, spki, extensions });
}

/** For one SPIFFE ID, to serve with and to call with; PEM. */
export async function leafCertificate(by: Signer, wish: LeafWish): Promise<string> {
  const { publicKey, spiffeId, hosts } = wish;
  const spki = spkiOf(publicKey);
  const extensions = [
    ...ofLeaves,
    await x509.SubjectKeyIdentifierExtension.create(spki),
    ...(by.keyId === undefined ? [] : [new x509.AuthorityKeyIdentifierExtension(by.keyId)]),
    new x509.SubjectAlternativeNameExtension([uri(spiffeId), ...hosts.map(host)]),
  ];
  return certificate(by, { ...wish, subject: ours, spki, extensions });
}

interface Body extends Validity {
  readonly subject: x509.Name;
  readonly spki: Buffer;
  readonly extensions: x509.Extension[];
}

async function certificate(by: Pick<Signer, 'key' | 'subject'>, body: Body): Promise<string> {
  const { key: signingKey, algorithm: signingAlgorithm } = await signing(by.key);
  const made = await x509.X509CertificateGenerator.create({
    ...{ signingKey, signingAlgorithm, issuer: by.subject },
    ...{ subject: body.subject, extensions: body.extensions },
    ...{ notBefore: new Date(body.notBefore), notAfter: new Date(body.expiresAt) },
    publicKey: body.spki,
  });
  return `${made.toString('pem')}\n`;
}

/** Keys as WebCrypto has them: one is made ready as slowly as three leaves are signed. */
const readied = new WeakMap<KeyObject, Promise<webcrypto.CryptoKey>>();

async function signing(key: KeyObject) {
  const algorithm = algorithmOf(key);
  if (!algorithm) throw new Error('A key of this kind cannot sign here.');
  const ready = readied.get(key) ?? imported(key, algorithm);
  readied.set(key, ready);
  return { key: await ready, algorithm };
}

function imported(key: KeyObject, algorithm: Algorithm): Promise<webcrypto.CryptoKey> {
  const secret = key.export({ type: 'pkcs8', format: 'der' });
  return webcrypto.subtle.importKey('pkcs8', secret, algorithm, false, ['sign']);
}

/** A PKCS#10 request for this key; whoever signs says for what name. PEM. */
export async function requestFor(key: KeyObject): Promise<string> {
  const { key: privateKey, algorithm: signingAlgorithm } = await signing(key);
  const spki = spkiOf(createPublicKey(key));
  const { subtle } = webcrypto;
  const publicKey = await subtle.importKey('spki', spki, signingAlgorithm, true, ['verify']);
  const made = await x509.Pkcs10CertificateRequestGenerator.create({
    ...{ name: ours, keys: { privateKey, publicKey }, signingAlgorithm },
  });
  return `${made.toString('pem')}\n`;
}

/** Of whoever asks, who has shown to hold the private one; all else in there is left unread. */
export async function publicKeyIn(request: string): Promise<KeyObject | undefined> {
  try {
    const read = new x509.Pkcs10CertificateRequest(contentOf(request));
    const spki = Buffer.from(read.publicKey.rawData);
    const key = createPublicKey({ key: spki, type: 'spki', format: 'der' });
    const { hash } = read.signatureAlgorithm as { readonly hash: { readonly name: string } };
    if (hash.name !== algorithmOf(key)?.hash) return undefined;
    return (await read.verify()) ? key : undefined;
  } catch {
    return undefined;
  }
}

/** Of a certificate, what those it signs repeat. */
export function issuerFieldsOf(raw: Buffer): Pick<Signer, 'subject' | 'keyId'> | undefined {
  try {
    const read = new x509.X509Certificate(raw);
    const { keyId } = read.getExtension(x509.SubjectKeyIdentifierExtension) ?? {};
    return { subject: read.subjectName, keyId };
  } catch {
    return undefined;
  }
}

/**
 * Of the one PEM block. The library's own reader of PEM takes time without end over
 * headers that are made for it, and takes up whatever is not a sequence as PEM too.
 */
function contentOf(request: string): Buffer {
  const [, base64 = ''] = requestPattern.exec(request) ?? [];
  const content = Buffer.from(base64, 'base64');
  if (content[0] !== 0x30) throw new Error('No certificate request is in there.');
  return content;
}

/** No longer than what the largest keys need. */
const requestPattern = new RegExp(
  '^\\s*-----BEGIN CERTIFICATE REQUEST-----' +
    '([A-Za-z0-9+/=\\s]{1,16384})-----END CERTIFICATE REQUEST-----\\s*$',
);

const spkiOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });

const uri = (value: string) => ({ type: 'url', value }) as const;

const host = (name: string) =>
  isIP(name) === 0
    ? ({ type: 'dns', value: name } as const)
    : // The library knows no `::ffff:10.0.0.7`.
      ({ type: 'ip', value: ipaddr.parse(name).toNormalizedString() } as const);
