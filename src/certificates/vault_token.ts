/** Keeps the token that Vault knows us by alive: it is renewed when half its time is over. */
import { setTimeout as delay } from 'node:timers/promises';
import { Backoff } from '../backoff.js';
import { problem, type Problem } from '../errors.js';
import type { Outage } from './outage.js';
import type { TokenLife, VaultApi } from './vault_api.js';

const dayMs = 24 * 3_600_000;
/** Of the time it had at first; what is left after it was renewed may be a second less. */
const wholeShare = 0.9;

/** Until `signal` is aborted, or there is nothing to renew. `outage` is what speaks against it. */
export async function keepToken(
  vault: VaultApi,
  outage: Outage,
  signal: AbortSignal,
): Promise<void> {
  const backoff = new Backoff();
  let wholeSeconds: number | undefined;
  while (!signal.aborted) {
    const isFirst = wholeSeconds === undefined;
    const life = isFirst ? await vault.tokenLife(signal) : await vault.renewToken(signal);
    if (!life.ok) {
      outage.goesOn(life.problems);
      await backoff.wait(signal);
      continue;
    }
    backoff.reset();
    const { seconds, renewable } = life.value;
    wholeSeconds ??= life.value.wholeSeconds;
    const lasts = renewable && (isFirst || seconds >= wholeSeconds * wholeShare);
    if (seconds === 0 || lasts) outage.over();
    else outage.goesOn([ending(life.value)]);
    if (seconds === 0 || !renewable) return;
    const waitMs = Math.min((seconds * 1_000) / 2, dayMs);
    await delay(waitMs, undefined, { signal }).catch(() => undefined);
  }
}

function ending({ seconds }: TokenLife): Problem {
  const at = new Date(Date.now() + seconds * 1_000).toISOString().slice(0, 16);
  const message =
    `The token of identity.vault.token ends at ${at}Z and cannot be renewed: no certificate is ` +
    'signed after that. Give it one with a period (vault token create -period=24h -policy=…).';
  return problem('certificate_unavailable', { path: 'identity.vault.token' }, message);
}
