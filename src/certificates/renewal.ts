/** When a certificate is asked for anew, and when that it was not is worth a word. Pure. */
import type { Certificate, Issuer } from './certificate.js';

type Times = Pick<Certificate, 'notBefore' | 'expiresAt'>;

const at = ({ notBefore, expiresAt }: Times, share: number): number =>
  notBefore + (expiresAt - notBefore) * share;

const skewMsMax = 5 * 60_000;

/** Clocks that are behind by so much take a new certificate too. */
export const skewMsOf = (lifeMs: number): number => Math.min(skewMsMax, lifeMs / 10);

/** When one of ours was signed. */
export const issuedAt = ({ notBefore, expiresAt }: Times): number =>
  notBefore + Math.min(skewMsMax, (expiresAt - notBefore) / 11);

/** At 40 % of its life, and for some of them a little earlier; `jitter` from 0 to 1. */
export const renewAt = (times: Times, jitter: number): number => at(times, 0.4 - jitter * 0.05);

/** The part of a life after which whoever signs ought to have renewed it by themselves. */
const lateShare: Readonly<Record<Issuer['kind'], number>> = {
  builtin: 0.6,
  vault: 0.6,
  // Tools that write files wait for two thirds, Consul's agent for up to nine tenths.
  files: 0.75,
  consul: 0.92,
};

export const lateAt = (times: Times, kind: Issuer['kind']): number => at(times, lateShare[kind]);

/** Of the gateway's, which tools write like those of the issuer `files`. */
export const gatewayLateAt = (times: Times): number => lateAt(times, 'files');

const retryMsLeast = 1_000;
const retryMsMost = 5 * 60_000;
const triesLeast = 20;

/** The wait after so many failures: doubling, and never so long that a life is missed. */
export function retryMs(failures: number, leftMs: number, jitter: number): number {
  const mostMs = Math.max(Math.min(retryMsMost, leftMs / triesLeast), retryMsLeast);
  const wholeMs = Math.min(retryMsLeast * 2 ** (failures - 1), mostMs);
  return wholeMs * (1 - jitter / 2);
}
