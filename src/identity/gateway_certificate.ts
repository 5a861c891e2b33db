/**
 * The certificate of the gateway for agents. Where Envoy stands on this machine it reads the
 * files itself, so that no key passes through here; to Envoys elsewhere their text is sent, over
 * links that are theirs alone, and sent again when the files change.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Config } from '../config.js';
import { problem, reasonOf, type Problem } from '../errors.js';
import { identityIsOn } from '../identity_on.js';
import { Latest } from '../latest.js';
import type { Log } from '../log.js';
import type { GatewayCertificate } from '../resources/credentials.js';

export interface WatchedGateway {
  readonly certificate: Latest<GatewayCertificate | undefined>;
  problems(): readonly Problem[];
  close(): void;
}

/** Looked at so often: two files are never written at once, and network folders tell nothing. */
const lookMs = 2_000;

/** Undefined where agents are served in clear. */
export function watchGatewayCertificate(config: Config, log: Log): WatchedGateway | undefined {
  const files = gatewayFiles(config);
  if (!files) return undefined;
  if (identityIsOn(config)) return readAndSent(files, log);
  const certificate = new Latest<GatewayCertificate | undefined>(files);
  return { certificate, problems: () => [], close: () => undefined };
}

/** Where it is kept. */
export function gatewayFiles({ gateway }: Pick<Config, 'gateway'>): GatewayFiles | undefined {
  const { certificate, key, clients } = gateway.tls;
  if (certificate === '') return undefined;
  const at = (path: string) => ({ filename: resolve(path) });
  return {
    ...{ certificate: at(certificate), key: at(key) },
    clients: clients === '' ? undefined : at(clients),
  };
}

interface File {
  readonly filename: string;
}

type GatewayFiles = Readonly<Record<'certificate' | 'key', File>> & {
  readonly clients: File | undefined;
};

function readAndSent({ certificate, key, clients }: GatewayFiles, log: Log): WatchedGateway {
  const files = [certificate, key, ...(clients ? [clients] : [])];
  const latest = new Latest<GatewayCertificate | undefined>(undefined);
  let [last, wrong]: [string, Problem | undefined] = ['', undefined];
  const look = async () => {
    try {
      const texts = await Promise.all(files.map(({ filename }) => readFile(filename, 'utf8')));
      const text = JSON.stringify(texts);
      if (text === last) return;
      latest.set(checked(texts));
      [last, wrong] = [text, undefined];
      log.info('the certificate of the gateway was read');
    } catch (error) {
      const message =
        `The certificate of gateway.tls cannot be used: ${reasonOf(error)}. What was there ` +
        'before stays; mend the files.';
      if (wrong?.message !== message) log.warn(message);
      wrong = problem('certificate_unavailable', { path: 'gateway.tls' }, message);
    }
  };
  const timer = setInterval(() => void look(), lookMs).unref();
  void look();
  return {
    certificate: latest,
    problems: () => (wrong ? [wrong] : []),
    close: () => clearInterval(timer),
  };
}

function checked([
  certificate = '',
  key = '',
  clients = '',
]: readonly string[]): GatewayCertificate {
  const inline = (inline_string: string) => ({ inline_string });
  if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key)))
    throw new Error('the key is not that of the certificate');
  if (clients !== '') new X509Certificate(clients);
  return {
    ...{ certificate: inline(certificate), key: inline(key) },
    clients: clients === '' ? undefined : inline(clients),
  };
}
