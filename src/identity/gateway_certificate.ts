/**
 * The certificate of the gateway for agents. Where Envoy stands on this machine it reads the
 * files itself, so that no key passes through here; to Envoys elsewhere their text is sent, over
 * links that are theirs alone, and sent again when the files change. In both cases its end is
 * told long before it comes.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { every, type Beat } from '../certificates/beat.js';
import type { Clock } from '../clock.js';
import type { Config } from '../config.js';
import { problem, reasonOf, type Problem } from '../errors.js';
import { identityIsOn } from '../identity_on.js';
import { Latest } from '../latest.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import type { GatewayCertificate } from '../resources/credentials.js';
import { datesIn, problemOfDates, type Dates } from './gateway_dates.js';

export interface WatchedGateway {
  readonly certificate: Latest<GatewayCertificate | undefined>;
  /** Where what is served was read, and its dates; undefined until it was. */
  held(): (Dates & { readonly file: string }) | undefined;
  problems(): readonly Problem[];
  close(): void;
}

interface WatchParts {
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, 'certificateExpires'>;
  readonly log: Log;
  readonly beat?: Beat;
}

/** So often: two files are never written at once, and network folders tell nothing. */
const lookMs = 2_000;

/** Undefined where agents are served in clear. */
export function watchGatewayCertificate(
  config: Config,
  parts: WatchParts,
): WatchedGateway | undefined {
  const files = gatewayFiles(config);
  if (!files) return undefined;
  return watched(identityIsOn(config) ? readAndSent(files, parts) : readByEnvoy(files), parts);
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

/** One way to get at it. */
interface Reading {
  readonly file: string;
  readonly certificate: Latest<GatewayCertificate | undefined>;
  /** The dates of what is served now. Throws what is wrong with the files. */
  look(): Promise<Dates>;
  wrong(reason: string): Problem;
  /** How new files get to Envoy. */
  readonly taken: string;
}

function watched(reading: Reading, parts: WatchParts): WatchedGateway {
  const { clock, metrics, log, beat = every(lookMs) } = parts;
  const { file, certificate } = reading;
  let [dates, wrong]: [Dates | undefined, Problem | undefined] = [undefined, undefined];
  let looking = false;
  const look = async () => {
    if (looking) return;
    looking = true;
    try {
      dates = await reading.look();
      wrong = undefined;
      metrics.certificateExpires.set({ workload: 'gateway' }, dates.expiresAt / 1_000);
    } catch (error) {
      const before = wrong?.message;
      wrong = reading.wrong(reasonOf(error));
      if (wrong.message !== before) log.warn(wrong.message);
    }
    looking = false;
  };
  void look();
  return {
    certificate,
    held: () => dates && { file, ...dates },
    problems() {
      const late = dates && problemOfDates(reading, dates, clock.now());
      return [...(wrong ? [wrong] : []), ...(late ? [late] : [])];
    },
    close: beat(() => void look()),
  };
}

/** The key is not read at all, and of the certificate nothing but its dates. */
function readByEnvoy(files: GatewayFiles): Reading {
  const { filename: file } = files.certificate;
  const wrong = (reason: string) => {
    const message =
      `Nobody is told before the certificate of the gateway ends: ${reason}. Envoy reads ` +
      `${file} itself; let MCPX read it too, and see that it holds a certificate.`;
    return problem('certificate_late', { path: 'gateway.tls' }, message);
  };
  return {
    ...{ file, wrong, certificate: new Latest<GatewayCertificate | undefined>(files) },
    look: async () => datesIn(await readFile(file, 'utf8')),
    taken: 'Envoy reads the new files when they are moved into their folder',
  };
}

function readAndSent(files: GatewayFiles, { clock, log }: WatchParts): Reading {
  const { certificate, key, clients } = files;
  const { filename: file } = certificate;
  const paths = [certificate, key, ...(clients ? [clients] : [])];
  const latest = new Latest<GatewayCertificate | undefined>(undefined);
  let held: { readonly text: string; readonly dates: Dates } | undefined;
  const look = async () => {
    const texts = await Promise.all(paths.map(({ filename }) => readFile(filename, 'utf8')));
    const text = JSON.stringify(texts);
    if (held?.text === text) return held.dates;
    const next = checked(texts);
    const dates = datesIn(texts[0] ?? '');
    // At the start there is nothing better: agents learn what is wrong rather than find nobody.
    if (held && dates.expiresAt <= clock.now())
      throw new Error(`${file} has ended at ${new Date(dates.expiresAt).toISOString()}`);
    held = { text, dates };
    latest.set(next);
    log.info('the certificate of the gateway was read');
    return dates;
  };
  const wrong = (reason: string) => {
    const message =
      `The certificate of gateway.tls cannot be used: ${reason}. What was there before stays; ` +
      'mend the files.';
    return problem('certificate_unavailable', { path: 'gateway.tls' }, message);
  };
  return {
    ...{ file, wrong, look, certificate: latest },
    taken: 'new files are taken within seconds',
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
