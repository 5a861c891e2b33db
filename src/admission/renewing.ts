/**
 * Keeps a node's certificate fresh: renewed before half its life is over, and
 * the one of before serves on while that fails.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { renewAt, retryMs } from '../certificates/renewal.js';
import type { Clock } from '../clock.js';
import { failed, problem, succeeded, type Outcome } from '../errors.js';
import type { Log } from '../log.js';
import { joined, renewed, type Held, type JoinRequest } from './joining.js';

interface Running {
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** No longer at a time, so that a machine that slept or whose clock was set looks again soon. */
const lookMs = 30_000;

/**
 * Joins where nobody has, and renews until the signal; `once`: only what is due now.
 * Problems: why it could not join, or that the certificate has ended unrenewed.
 */
export async function join(
  request: JoinRequest & { readonly once: boolean },
  running: Running,
): Promise<Outcome<Held>> {
  const { clock, log } = running;
  const begun = await joined(request, clock.now());
  if (!begun.ok) return begun;
  const { held } = begun.value;
  if (begun.value.joined) log.info(about(request, held), 'joined');
  else log.info(about(request, held), 'joined already');
  if (!request.once) return keepRenewed(request, held, running);
  if (begun.value.joined || renewAt(held, 1) > clock.now()) return succeeded(held);
  return renewed(request, held);
}

const about = ({ folder }: JoinRequest, { id, expiresAt }: Held) => ({
  ...{ id, folder },
  until: new Date(expiresAt).toISOString(),
});

async function keepRenewed(
  request: JoinRequest,
  first: Held,
  { clock, log, signal }: Running,
): Promise<Outcome<Held>> {
  let failures = 0;
  let held = first;
  let due = renewAt(held, Math.random());
  /** Said again when half of what was left then is gone. */
  let warnedWith = Infinity;
  while (!signal.aborted) {
    const leftMs = held.expiresAt - clock.now();
    if (leftMs <= 0) return failed(ended(held));
    if (clock.now() < due) {
      await pause(Math.min(due - clock.now(), lookMs), signal);
      continue;
    }
    const next = await renewed(request, held);
    if (next.ok) {
      held = next.value;
      due = renewAt(held, Math.random());
      warnedWith = Infinity;
      failures = 0;
      log.info(about(request, held), 'certificate renewed');
      continue;
    }
    if (leftMs <= warnedWith / 2) {
      warnedWith = leftMs;
      const reason = next.problems.map(({ message }) => message).join(' ');
      log.warn({ ...about(request, held), reason }, 'not renewed yet: the old one serves on');
    }
    failures += 1;
    await pause(retryMs(failures, leftMs, Math.random()), signal);
  }
  return succeeded(held);
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  delay(ms, undefined, { signal }).catch(() => undefined);

const ended = ({ id, expiresAt }: Held) =>
  problem(
    'certificate_unavailable',
    {},
    `The certificate of ${id} ended at ${new Date(expiresAt).toISOString()} before it could be ` +
      'renewed. Print a token with `mcpx bootstrap` and join again.',
  );
