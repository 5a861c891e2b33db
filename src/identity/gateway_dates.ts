/** When the gateway's certificate ends, and what is said of it before that and after. Pure. */
import { X509Certificate } from 'node:crypto';
import { expiresAtOf, notBeforeOf } from '../certificates/reading.js';
import { gatewayLateAt } from '../certificates/renewal.js';
import { problem, type Problem } from '../errors.js';

export interface Dates {
  /** ms since the epoch, both. */
  readonly notBefore: number;
  readonly expiresAt: number;
}

/** Of the leaf, which stands first. Throws where there is none. */
export function datesIn(pem: string): Dates {
  const leaf = new X509Certificate(pem);
  return { notBefore: notBeforeOf(leaf), expiresAt: expiresAtOf(leaf) };
}

/** Where it is kept, and how a new one gets to Envoy. */
interface Place {
  readonly file: string;
  readonly taken: string;
}

export function problemOfDates(
  { file, taken }: Place,
  dates: Dates,
  now: number,
): Problem | undefined {
  const what = `The certificate of the gateway (gateway.tls, ${file})`;
  const end = new Date(dates.expiresAt).toISOString();
  const subject = { path: 'gateway.tls' };
  if (dates.expiresAt <= now) {
    const message = `${what} ended at ${end}, so agents refuse it. Renew it now: ${taken}.`;
    return problem('certificate_unavailable', subject, message);
  }
  if (gatewayLateAt(dates) > now) return undefined;
  const message =
    `${what} was not renewed in time and ends at ${end}; from then on agents refuse it. ` +
    `Renew it: ${taken}.`;
  return problem('certificate_late', subject, message);
}
