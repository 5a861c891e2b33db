/**
 * Whether the new version is worse than the old one, by what agents feel.
 *
 * Both are seen in the same window, from the beginning of the present step. Errors are
 * bad when two things are sure: that more of the new version's calls fail than the limit
 * allows, and that more of them fail than of the old version's (a quarter more is nothing),
 * so that what both suffer is not blamed on the new one. The first is asked at 1/2000, the
 * second, over how the failures fall on the two, at 1/200; both may be looked at at any time
 * (`evidence`). p99: the same, counting the new version's calls that took longer than the
 * old one's p99 and the increase allowed: at most 1 % may. So a version as good as its
 * limits is aborted in fewer than 1 of 1,000 steps, however often one looks.
 * Where hardly any calls go to the old version there is nobody to compare with: the limit
 * counts alone, unless the few show the same fault, and p99 is hard to be sure of.
 *
 * Nothing is called good while it looks worse than allowed, sure or not: the step waits.
 * A disaster is also looked for in the last seconds, which a long good step would hide.
 * What this misses: a fault short of a disaster that begins late in a long step.
 */
import type { JudgeLimits } from '../fleet/rollout.js';
import { evidenceAbove } from './evidence.js';
import { callsAbove, callsIn, quantile, type Latency } from './latency.js';
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
  bad: { evidence: 200, leastOld: 0.1 },
  disaster: { evidence: 20, leastOld: 0.25 },
} as const satisfies Record<string, Blame>;

/** `recent`: the last seconds of the step, for what went wrong only now. */
export function judge(step: Window, limits: JudgeLimits, recent: Window = step): Verdict {
  return (
    disastrous(recent, limits) ??
    disastrous(step, limits) ??
    tooFew(step, limits) ??
    failing(step, limits) ??
    slow(step, limits) ?? { kind: 'good', why: `${failureWords(step)}.` }
  );
}

function disastrous(window: Window, { maxErrorRate }: JudgeLimits): Verdict | undefined {
  const { calls } = window.new;
  if (calls < disaster.calls || rateOf(window.new) < disaster.rate) return undefined;
  if (evidenceAbove(failedOf(window.new), calls, maxErrorRate) < sure) return undefined;
  if (isToBlame(window, blames.disaster))
    return { kind: 'disaster', why: `${failureWords(window)}.` };
  // While the old one is well it is only a matter of calls; the step's rules go on.
  return rateOf(window.old) < disaster.rate ? undefined : sharedFault(window);
}

const sharedFault = (window: Window): Verdict => ({
  kind: 'waiting',
  why: `${failureWords(window)}: not the new version's fault alone. Look at what both need.`,
});

function tooFew(window: Window, { minCalls }: JudgeLimits): Verdict | undefined {
  const { calls } = window.new;
  if (calls >= minCalls) return undefined;
  return {
    kind: 'waiting',
    why: `The new version had ${calls} of the ${minCalls} calls that a judgement needs.`,
  };
}

function failing(window: Window, { maxErrorRate }: JudgeLimits): Verdict | undefined {
  const rate = rateOf(window.new);
  if (rate <= Math.max(maxErrorRate, tolerance * rateOf(window.old)))
    return rate >= disaster.rate && rate > maxErrorRate ? sharedFault(window) : undefined;
  const words = `${failureWords(window)}; ${percent(maxErrorRate)} is allowed`;
  if (evidenceAbove(failedOf(window.new), window.new.calls, maxErrorRate) < sure)
    return { kind: 'waiting', why: `${words}. More calls will show whether that is chance.` };
  if (isToBlame(window, blames.bad)) return { kind: 'bad', why: `${words}.` };
  return { kind: 'waiting', why: `${words}. It is not sure yet that the old one fails less.` };
}

/** Whether the new version fails more than the old one, or there is no old one to ask. */
function isToBlame(window: Window, { evidence, leastOld }: Blame): boolean {
  const { old } = window;
  const calls = { old: old.calls, new: window.new.calls };
  const failed = { old: failedOf(old), new: failedOf(window.new) };
  if (calls.old < leastOld * (calls.old + calls.new))
    return failed.old === 0 || rateOf(old) * 2 < rateOf(window.new);
  const fairShare = (tolerance * calls.new) / (tolerance * calls.new + calls.old);
  return evidenceAbove(failed.new, failed.new + failed.old, fairShare) >= evidence;
}

function slow(window: Window, { maxP99Increase, minCalls }: JudgeLimits): Verdict | undefined {
  const { old } = window;
  const calls = { old: callsIn(old.latency), new: callsIn(window.new.latency) };
  const usual = quantile(old.latency, 1 - slowest);
  if (usual === undefined || Math.min(calls.old, calls.new) < minCalls) return undefined;
  const bound = usual * (1 + maxP99Increase);
  const above = callsAbove(window.new.latency, bound);
  if (above <= slowest * calls.new) return undefined;
  const oldAbove = callsAbove(old.latency, usual);
  const fairShare = calls.new / (calls.new + calls.old);
  const isSure =
    evidenceAbove(above, calls.new, slowest) >= sure &&
    evidenceAbove(above, above + oldAbove, fairShare) >= blames.bad.evidence;
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

function failureWords(window: Window): string {
  const { failures, calls } = window.new;
  const kinds = failureKinds.filter((kind) => failures[kind] > 0);
  const counted = kinds.map((kind) => `${kind} ${failures[kind]}`).join(', ');
  const detail = counted === '' ? '' : ` (${counted})`;
  return (
    `${percent(rateOf(window.new))} of ${calls} calls of the new version failed${detail}, ` +
    `${percent(rateOf(window.old))} of ${window.old.calls} of the old one`
  );
}
