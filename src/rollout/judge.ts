/**
 * Whether the new version is worse than the old one, by what agents feel.
 *
 * Both are seen in the same window, which grows from the beginning of the present step.
 * Errors are bad when two things are sure: that more of the new version's calls fail than
 * the limit allows (asked at 1/2000), and, by how the failures fall on the two, that more of
 * them fail than of the old version's, a quarter more being nothing (at 1/200), so that what
 * both suffer is not blamed on the new one. Both hold however often one looks (`evidence`).
 * p99: 1 % of the old version's calls took longer than its p99; no more of the new version's
 * may take longer than that and the increase allowed, by how those calls fall on the two (at
 * 1/2000). So a version that fails as often as its limit is aborted in fewer than 1 of 2,000
 * steps; one that is as slow as its limit, where the old p99 is itself a guess, in fewer than
 * 1 of 100 (both tried on made-up calls).
 * Where hardly any calls go to the old version it is compared as it was in the steps before;
 * when that is not known the limit counts alone, unless its few calls show the same fault.
 *
 * Nothing is called good while it looks worse than allowed, sure or not: the step waits.
 * A disaster is also looked for in the last seconds, which a long good step would hide.
 * What this misses: a fault short of a disaster that begins late in a long step.
 */
import type { JudgeLimits } from '../fleet/rollout.js';
import { evidenceAbove } from './evidence.js';
import { callsAbove, callsIn, quantile, resolutionOf, type Latency } from './latency.js';
import { percent } from './words.js';

export const failureKinds = ['http', 'rpc', 'tool', 'reset', 'timeout'] as const;

/** What one version did in a window. A failed call is counted in one kind. */
export interface Signals {
  readonly calls: number;
  readonly failures: Readonly<Record<(typeof failureKinds)[number], number>>;
  readonly latency: Latency;
}

/** Both versions in the same time. */
export interface Window {
  readonly old: Signals;
  readonly new: Signals;
}

export interface Verdict {
  readonly kind: 'waiting' | 'good' | 'bad' | 'disaster';
  /** A sentence with the figures. */
  readonly why: string;
}

/** 1 / the chance that a version as good as its limit is once, in a step, found worse. */
const sure = 2000;
/** How much more than the old version's share of failures is nothing. */
const tolerance = 1.25;
const disaster = { rate: 0.2, calls: 20 };
const slowest = 0.01;

interface Blame {
  /** 1 / the chance that what both suffer is blamed on the new version. */
  readonly evidence: number;
  /** Below this share of the calls the old version is too rarely called to compare with. */
  readonly leastOld: number;
}

/** A disaster cannot wait for as much of the old version. */
const blames = {
  bad: { evidence: 200, leastOld: 0.02 },
  disaster: { evidence: 20, leastOld: 0.15 },
} as const satisfies Record<string, Blame>;

/** What else is known than the present step. */
export interface Besides {
  /** The last seconds of the step, for what went wrong only now. */
  readonly recent?: Window;
  /** The old version in the steps before, for when hardly any call goes to it. */
  readonly before?: Signals;
}

export function judge(step: Window, limits: JudgeLimits, besides: Besides = {}): Verdict {
  const { recent = step, before } = besides;
  const [whole, last] = [comparable(step, before), comparable(recent, before)];
  return (
    disastrous(last, limits) ??
    disastrous(whole, limits) ??
    tooFew(whole, limits) ??
    failing(whole, limits) ??
    slow(whole, limits) ?? { kind: 'good', why: `${failureWords(whole)}.` }
  );
}

interface Compared extends Window {
  /** Whether the old version's signals are of steps before. */
  readonly isOldBefore: boolean;
}

function comparable(window: Window, before: Signals | undefined): Compared {
  const isOldBefore = before !== undefined && oldShareOf(window) < blames.bad.leastOld;
  return { new: window.new, old: isOldBefore ? before : window.old, isOldBefore };
}

const oldShareOf = (window: Window): number =>
  window.old.calls / Math.max(1, window.old.calls + window.new.calls);

function disastrous(window: Compared, { maxErrorRate }: JudgeLimits): Verdict | undefined {
  const { calls } = window.new;
  if (calls < disaster.calls || rateOf(window.new) < disaster.rate) return undefined;
  if (evidenceAbove(failedOf(window.new), calls, maxErrorRate) < sure) return undefined;
  if (isToBlame(window, blames.disaster))
    return { kind: 'disaster', why: `${failureWords(window)}.` };
  // While the old one is well it is only a matter of calls; the step's rules go on.
  return rateOf(window.old) < disaster.rate ? undefined : sharedFault(window);
}

const sharedFault = (window: Compared): Verdict => ({
  kind: 'waiting',
  why: `${failureWords(window)}: not the new version's fault alone. Look at what both need.`,
});

function tooFew(window: Compared, { minCalls }: JudgeLimits): Verdict | undefined {
  const { calls } = window.new;
  if (calls >= minCalls) return undefined;
  return {
    kind: 'waiting',
    why: `The new version had ${calls} of the ${minCalls} calls that a judgement needs.`,
  };
}

function failing(window: Compared, limits: JudgeLimits): Verdict | undefined {
  const { maxErrorRate, minCalls } = limits;
  const rate = rateOf(window.new);
  // A few unlucky calls of the old version raise no limit.
  const usual = window.old.calls < minCalls ? 0 : tolerance * rateOf(window.old);
  if (rate <= Math.max(maxErrorRate, usual)) return undefined;
  const words = `${failureWords(window)}; ${percent(maxErrorRate)} is allowed`;
  if (evidenceAbove(failedOf(window.new), window.new.calls, maxErrorRate) < sure)
    return { kind: 'waiting', why: `${words}. More calls will show whether that is chance.` };
  if (isToBlame(window, blames.bad)) return { kind: 'bad', why: `${words}.` };
  return { kind: 'waiting', why: `${words}. It is not sure yet that the old one fails less.` };
}

/** Whether the new version fails more than the old one, or there is no old one to ask. */
function isToBlame(window: Compared, { evidence, leastOld }: Blame): boolean {
  const { old } = window;
  const calls = { old: old.calls, new: window.new.calls };
  const failed = { old: failedOf(old), new: failedOf(window.new) };
  if (oldShareOf(window) < leastOld)
    return failed.old === 0 || rateOf(old) * 2 < rateOf(window.new);
  const fairShare = (tolerance * calls.new) / (tolerance * calls.new + calls.old);
  return evidenceAbove(failed.new, failed.new + failed.old, fairShare) >= evidence;
}

function slow(window: Compared, { maxP99Increase, minCalls }: JudgeLimits): Verdict | undefined {
  const { old } = window;
  const calls = { old: callsIn(old.latency), new: callsIn(window.new.latency) };
  if (Math.min(calls.old, calls.new) < Math.max(minCalls, 1 / slowest)) return undefined;
  const resolution = resolutionOf(calls.old, calls.new);
  const usual = quantile(old.latency, 1 - slowest, resolution);
  if (usual === undefined) return undefined;
  const bound = usual * (1 + maxP99Increase);
  const above = callsAbove(window.new.latency, bound, resolution);
  if (above <= slowest * calls.new) return undefined;
  const oldAbove = callsAbove(old.latency, usual, resolution);
  const fairShare = calls.new / (calls.new + calls.old);
  // Of the old version's, 1 % took longer than its p99: few calls, and nothing is sure.
  const isSure = evidenceAbove(above, above + oldAbove, fairShare) >= sure;
  const words =
    `${percent(above / calls.new)} of the new version's calls took longer than ` +
    `${Math.round(bound)} ms (the old one's p99 of ${Math.round(usual)} ms and ` +
    `${percent(maxP99Increase)}); 1 % may`;
  if (isSure) return { kind: 'bad', why: `${words}.` };
  return { kind: 'waiting', why: `${words}. More calls will show whether that is chance.` };
}

const failedOf = ({ calls, failures }: Signals): number =>
  Math.min(
    calls,
    failureKinds.reduce((sum, kind) => sum + failures[kind], 0),
  );

const rateOf = (signals: Signals): number =>
  signals.calls === 0 ? 0 : failedOf(signals) / signals.calls;

function failureWords(window: Compared): string {
  const { failures, calls } = window.new;
  const kinds = failureKinds.filter((kind) => failures[kind] > 0);
  const counted = kinds.map((kind) => `${kind} ${failures[kind]}`).join(', ');
  const detail = counted === '' ? '' : ` (${counted})`;
  const when = window.isOldBefore ? ' in the steps before' : '';
  return (
    `${percent(rateOf(window.new))} of ${calls} calls of the new version failed${detail}, ` +
    `${percent(rateOf(window.old))} of ${window.old.calls} of the old one${when}`
  );
}
