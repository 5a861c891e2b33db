/**
 * Whether the new version is worse than the old one, by what agents feel.
 *
 * Both are seen in the same windows: the present step from its beginning, and windows within
 * it, for what went wrong only now (`windows`: each has a price, by which its evidence must be
 * stronger). Errors are bad when two things are sure in one of them: that more of the new
 * version's calls fail than the limit allows (asked at 1/2000), and, by how the failures fall
 * on the two, that more of them fail than of the old version's, a quarter more being nothing
 * (at 1/200; in windows within the step, of which there are many, at 1/1000), so that what
 * both suffer is not blamed on the new one. Both hold in a window however often one looks at
 * it (`evidence`). So a version that fails as often as its limit is aborted in fewer
 * than 1 of 1,000 steps, however long: half of that for the step, half for all windows in it.
 * p99: 1 % of the old version's calls took longer than its p99; no more of the new version's
 * may take longer than that and the increase allowed, by how those calls fall on the two (at
 * 1/2000). One that is as slow as its limit, where the old p99 is itself a guess, is aborted
 * in fewer than 1 of 100 rollouts (tried on made-up calls).
 * Where hardly any calls go to the old version it is compared as it was in the steps before;
 * when that is not known the limit counts alone, unless its few calls show the same fault.
 *
 * Nothing is called good while it looks worse than allowed, sure or not: the step waits.
 * What this misses: a p99 that grows late in a long step.
 */
import type { JudgeLimits } from '../fleet/rollout.js';
import { evidenceAbove } from './evidence.js';
import { callsAbove, callsIn, quantile, resolutionOf, type Latency } from './latency.js';
import { percent } from './words.js';

export const failureKinds = ['http', 'rpc', 'tool', 'reset', 'timeout'] as const;

/** A failed call is counted in one kind. */
export interface Counts {
  readonly calls: number;
  readonly failures: Readonly<Record<(typeof failureKinds)[number], number>>;
}

/** What one version did in a window. */
export interface Signals extends Counts {
  readonly latency: Latency;
}

/** Both versions in the same time. */
export interface Window<Felt extends Counts = Signals> {
  readonly old: Felt;
  readonly new: Felt;
}

/** One that began within the step. */
export interface LaterWindow extends Window<Counts> {
  readonly seconds: number;
  /** How many times stronger the evidence in it must be. */
  readonly price: number;
}

export interface Verdict {
  readonly kind: 'waiting' | 'good' | 'bad' | 'disaster';
  /** A sentence with the figures. */
  readonly why: string;
}

/** How much more than the old version's share of failures is nothing. */
const tolerance = 1.25;
const disaster = { rate: 0.2, calls: 10 };
const slowest = 0.01;

interface Level {
  /** 1 / the chance that a version as good as its limit is found worse. */
  readonly worse: number;
  /** 1 / the chance that what both suffer is blamed on the new version. */
  readonly blame: number;
  /** Below this share of the calls the old version is too rarely called to compare with. */
  readonly leastOld: number;
}

/** A disaster cannot wait for as much of the old version; a doubt only holds the step. */
const levels = {
  bad: { worse: 2000, blame: 200, leastOld: 0.02 },
  disaster: { worse: 2000, blame: 20, leastOld: 0.15 },
  doubt: { worse: 200, blame: 3, leastOld: 0.02 },
} as const satisfies Record<string, Level>;

/** The same for a window within a step, whatever its price: there are many of them. */
const blameWithin = 1000;

/** What else is known than the present step. */
export interface Besides {
  /** Newest first. */
  readonly later?: readonly LaterWindow[];
  /** The old version in the steps before, for when hardly any call goes to it. */
  readonly before?: Signals;
}

export function judge(step: Window, limits: JudgeLimits, besides: Besides = {}): Verdict {
  const { later = [], before } = besides;
  const isOldBefore = before !== undefined && oldShareOf(step) < levels.bad.leastOld;
  const old = isOldBefore ? before : step.old;
  // Of the step: in a short window the old version may be without calls by chance.
  const known = { isOldBefore, oldShare: oldShareOf({ new: step.new, old }) };
  const whole = { ...step, old, ...known };
  const within = later.map((window) => ({ ...window, ...(isOldBefore && { old }), ...known }));
  const windows: readonly Compared[] = [whole, ...within];
  const newest = within.find((window) => window.new.calls >= disaster.calls);
  return (
    firstOf(windows, (window) => disastrous(window, limits)) ??
    firstOf(newest ? [newest, whole] : [whole], (window) => suffered(window, limits)) ??
    tooFew(whole, limits) ??
    firstOf(windows, (window) => failing(window, limits)) ??
    unsure(whole, limits) ??
    slow(whole, limits) ??
    firstOf(within, (window) => doubtful(window, limits)) ?? {
      kind: 'good',
      why: `${failureWords(whole)}.`,
    }
  );
}

function firstOf(
  windows: readonly Compared[],
  verdictOn: (window: Compared) => Verdict | undefined,
): Verdict | undefined {
  for (const window of windows) {
    const verdict = verdictOn(window);
    if (verdict) return verdict;
  }
  return undefined;
}

/** Where no price is named it is the whole step. */
type Compared<Felt extends Counts = Counts> = Window<Felt> &
  Partial<LaterWindow> & {
    readonly isOldBefore: boolean;
    /** Of the calls of the step. */
    readonly oldShare: number;
  };

const oldShareOf = (window: Window<Counts>): number =>
  window.old.calls / Math.max(1, window.old.calls + window.new.calls);

function disastrous(window: Compared, limits: JudgeLimits): Verdict | undefined {
  if (!isManyFailing(window.new) || !isSure(window, limits, levels.disaster)) return undefined;
  return { kind: 'disaster', why: `${failureWords(window)}.` };
}

const isManyFailing = (felt: Counts): boolean =>
  felt.calls >= disaster.calls && rateOf(felt) >= disaster.rate;

/** While the old one is well it is only a matter of calls; the step's rules go on. */
function suffered(window: Compared, { maxErrorRate }: JudgeLimits): Verdict | undefined {
  if (!isManyFailing(window.new) || rateOf(window.old) < disaster.rate) return undefined;
  if (!isAbove(window.new, maxErrorRate, levels.disaster.worse)) return undefined;
  const why = `${failureWords(window)}: not the new version's fault alone. Look at what both need.`;
  return { kind: 'waiting', why };
}

function tooFew(window: Compared, { minCalls }: JudgeLimits): Verdict | undefined {
  const { calls } = window.new;
  if (calls >= minCalls) return undefined;
  return {
    kind: 'waiting',
    why: `The new version had ${calls} of the ${minCalls} calls that a judgement needs.`,
  };
}

/** A few unlucky calls of the old version raise no limit. */
function allowedIn({ old }: Compared, { maxErrorRate, minCalls }: JudgeLimits): number {
  return Math.max(maxErrorRate, old.calls < minCalls ? 0 : tolerance * rateOf(old));
}

function failing(window: Compared, limits: JudgeLimits): Verdict | undefined {
  if (rateOf(window.new) <= allowedIn(window, limits)) return undefined;
  if (!isSure(window, limits, levels.bad)) return undefined;
  return { kind: 'bad', why: `${failureWords(window)}; ${allowedWords(limits)}.` };
}

/** Of the whole step: what looks worse than allowed is not good. */
function unsure(window: Compared, limits: JudgeLimits): Verdict | undefined {
  if (rateOf(window.new) <= allowedIn(window, limits)) return undefined;
  const isWorse = isAbove(window.new, limits.maxErrorRate, levels.bad.worse);
  const missing = isWorse
    ? 'It is not sure yet that the old one fails less.'
    : 'More calls will show whether that is chance.';
  return { kind: 'waiting', why: `${failureWords(window)}; ${allowedWords(limits)}. ${missing}` };
}

/** Within a step, where few calls often look bad by chance. */
function doubtful(window: Compared, limits: JudgeLimits): Verdict | undefined {
  if (rateOf(window.new) <= allowedIn(window, limits)) return undefined;
  if (!isSure({ ...window, price: 1 }, limits, levels.doubt)) return undefined;
  const words = `${failureWords(window)}; ${allowedWords(limits)}`;
  return { kind: 'waiting', why: `${words}. More calls will show whether that is chance.` };
}

/** That it fails more than allowed, and more than the old one. */
const isSure = (window: Compared, { maxErrorRate }: JudgeLimits, level: Level): boolean =>
  isAbove(window.new, maxErrorRate, level.worse * (window.price ?? 1)) && isToBlame(window, level);

const isAbove = (felt: Counts, share: number, evidence: number): boolean =>
  evidenceAbove(failedOf(felt), felt.calls, share) >= evidence;

/** Whether the new version fails more than the old one, or there is no old one to ask. */
function isToBlame(window: Compared, { blame, leastOld }: Level): boolean {
  const { old, oldShare, price = 1 } = window;
  const calls = { old: old.calls, new: window.new.calls };
  const failed = { old: failedOf(old), new: failedOf(window.new) };
  if (oldShare < leastOld) return failed.old === 0 || rateOf(old) * 2 < rateOf(window.new);
  const fairShare = (tolerance * calls.new) / (tolerance * calls.new + calls.old);
  const least = price === 1 ? blame : blameWithin;
  return evidenceAbove(failed.new, failed.new + failed.old, fairShare) >= least;
}

function slow(window: Compared<Signals>, limits: JudgeLimits): Verdict | undefined {
  const { old } = window;
  const { maxP99Increase, minCalls } = limits;
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
  const isSlower = evidenceAbove(above, above + oldAbove, fairShare) >= levels.bad.worse;
  const words =
    `${percent(above / calls.new)} of the new version's calls took longer than ` +
    `${Math.round(bound)} ms (the old one's p99 of ${Math.round(usual)} ms and ` +
    `${percent(maxP99Increase)}); 1 % may`;
  if (isSlower) return { kind: 'bad', why: `${words}.` };
  return { kind: 'waiting', why: `${words}. More calls will show whether that is chance.` };
}

const failedOf = ({ calls, failures }: Counts): number =>
  Math.min(
    calls,
    failureKinds.reduce((sum, kind) => sum + failures[kind], 0),
  );

const rateOf = (felt: Counts): number => (felt.calls === 0 ? 0 : failedOf(felt) / felt.calls);

function failureWords(window: Compared): string {
  const { failures, calls } = window.new;
  const kinds = failureKinds.filter((kind) => failures[kind] > 0);
  const counted = kinds.map((kind) => `${kind} ${failures[kind]}`).join(', ');
  const detail = counted === '' ? '' : ` (${counted})`;
  const time = window.seconds === undefined ? '' : ` in the last ${window.seconds} s`;
  const when = window.isOldBefore ? ' in the steps before' : '';
  return (
    `${percent(rateOf(window.new))} of ${calls} calls of the new version failed${detail}${time}, ` +
    `${percent(rateOf(window.old))} of ${window.old.calls} of the old one${when}`
  );
}

const allowedWords = ({ maxErrorRate }: JudgeLimits): string =>
  `${percent(maxErrorRate)} is allowed`;
