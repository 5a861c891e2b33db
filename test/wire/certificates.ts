/**
 * Certificates for tests, as a real CA would sign them. Node can check and
 * use X.509 but not make it, so the few fields that matter are written here.
 */
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

/** DER: a tag, a length, and what is in it. */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const long = length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  const head = length < 128 ? [length] : long;
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
}

const sequence = (...parts: readonly Buffer[]) => der(0x30, ...parts);
const text = (tag: number, value: string) => der(tag, Buffer.from(value));
const octets = (value: Buffer) => der(0x04, value);
const bits = (value: Buffer) => der(0x03, Buffer.from([0]), value);
const yes = der(0x01, Buffer.from([0xff]));

/** Object identifiers, encoded: only these are needed. */
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));
const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'));
const commonName = oid('550403');
const basicConstraints = oid('551d13');
const subjectAltName = oid('551d11');

const named = (name: string) => sequence(der(0x31, sequence(commonName, text(0x0c, name))));

/** `20260101000000Z` */
const time = (at: number) =>
  text(0x18, `${new Date(at).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`);

export interface Authority {
  readonly name: string;
  readonly key: KeyObject;
  /** PEM. */
  readonly cert: string;
}

export interface Issued {
  /** PEM, both. */
  readonly cert: string;
  readonly key: string;
}

interface Wish {
  readonly uris?: readonly string[];
  /** Just before now, or an hour before it ends. */
  readonly notBefore?: number;
  readonly expiresAt?: number;
}

const hour = 3_600_000;
let serial = 1;

export function authority(name = 'test CA'): Authority {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const extension = sequence(basicConstraints, yes, octets(sequence(yes)));
  const body = { name, publicKey, extension, ...aDayAround() };
  return { name, key: privateKey, cert: signed({ name, key: privateKey }, body) };
}

const aDayAround = () => ({
  notBefore: Date.now() - 24 * hour,
  expiresAt: Date.now() + 24 * hour,
});

/** A leaf for whoever these names are, and for 127.0.0.1. */
export function issue(from: Authority, wish: Wish = {}): Issued {
  const { uris = [], expiresAt = Date.now() + hour } = wish;
  const { notBefore = Math.min(Date.now() - hour / 60, expiresAt - hour) } = wish;
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const names = sequence(
    ...uris.map((uri) => text(0x86, uri)),
    text(0x82, 'localhost'),
    der(0x87, Buffer.from([127, 0, 0, 1])),
  );
  const extension = sequence(subjectAltName, octets(names));
  const body = { name: 'leaf', publicKey, extension, notBefore, expiresAt };
  return {
    cert: signed(from, body),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

interface Body {
  readonly name: string;
  readonly publicKey: KeyObject;
  readonly extension: Buffer;
  readonly notBefore: number;
  readonly expiresAt: number;
}

function signed(
  by: Pick<Authority, 'name' | 'key'>,
  { name, publicKey, extension, notBefore, expiresAt }: Body,
): string {
  const toSign = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1, serial >> 8, serial++ & 0xff])),
    ...[ecdsaWithSha256, named(by.name)],
    sequence(time(notBefore), time(expiresAt)),
    named(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(extension)),
  );
  const signature = sign('sha256', toSign, by.key);
  const body = sequence(toSign, ecdsaWithSha256, bits(signature)).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`;
}
