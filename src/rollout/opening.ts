/**
 * What a rollout needs before it may begin: two versions that can stand in for each
 * other, and steps that lead somewhere. All that is wrong is said at once.
 */
import { compare } from 'semver';
import { failed, problem, succeeded, type Outcome, type Problem } from '../errors.js';
import type { Era } from '../fleet/fleet.js';
import type { JudgeLimits, MatchRule, Rollout, RolloutDocument } from '../fleet/rollout.js';
import { loserOf, usualDrainMs, winnerOf } from './drain.js';
import { listed } from './words.js';

/** What is known of one version of a service. */
export interface VersionFacts {
  readonly instances: number;
  /** Those of them that pass their checks. */
  readonly passing: number;
  readonly path: string;
  /** Undefined: not asked yet. */
  readonly eras: readonly Era[] | undefined;
}

/** The versions that are present. */
export type Versions = ReadonlyMap<string, VersionFacts>;

export const passingOf = (versions: Versions, version: string): number =>
  versions.get(version)?.passing ?? 0;

interface Plan {
  readonly to: string;
  /** Needed only where several versions serve. */
  readonly from?: string;
  readonly match?: readonly MatchRule[];
  /** Percent of the read-only calls; none unless given. */
  readonly mirror?: number;
  /** How long the version that loses keeps its sessions; 10 minutes unless given. */
  readonly drainMs?: number;
}

export interface CanaryPlan extends Plan {
  /**
   * Percent, rising; 100 is put behind them where it is not the last, and 0 before them where
   * calls are copied.
   */
  readonly steps: readonly number[];
  readonly everyMs: number;
  readonly limits: JudgeLimits;
}

export interface BluegreenPlan extends Plan {
  /** Undefined: nobody judges after the switch. */
  readonly limits?: JudgeLimits;
}

export interface Occasion {
  /** ms since the epoch. */
  readonly now: number;
  /** A person, or `mcpx`. */
  readonly who: string;
  readonly service: string;
  /** The id that a rollout which begins now will have. */
  readonly id: string;
  readonly versions: Versions;
}

type Opened = Omit<Rollout, 'phase' | 'events'>;

export function openedCanary(
  plan: CanaryPlan,
  document: RolloutDocument | undefined,
  occasion: Occasion,
): Outcome<Opened> {
  const wrong = (path: string, message: string) => wrongField(occasion.service, path, message);
  const problems = [...wrongSteps(plan.steps).map((words) => wrong('steps', words))];
  if (!(Number.isFinite(plan.everyMs) && plan.everyMs > 0))
    problems.push(wrong('everyMs', 'A step lasts a time above 0: give for example 10m.'));
  const { everyMs, mirror = 0 } = plan;
  // What is copied shows how it fares before anybody is sent to it.
  const before = mirror > 0 ? [0] : [];
  const after = plan.steps.at(-1) === 100 ? [] : [100];
  const steps = [...before, ...plan.steps, ...after];
  return opened({ kind: 'canary', steps, everyMs, plan, problems }, document, occasion);
}

export const openedBluegreen = (
  plan: BluegreenPlan,
  document: RolloutDocument | undefined,
  occasion: Occasion,
): Outcome<Opened> =>
  opened({ kind: 'bluegreen', steps: [100], everyMs: 0, plan, problems: [] }, document, occasion);

interface Draft extends Pick<Rollout, 'kind' | 'steps' | 'everyMs'> {
  readonly plan: CanaryPlan | BluegreenPlan;
  readonly problems: readonly Problem[];
}

function opened(
  { kind, steps, everyMs, plan, problems }: Draft,
  document: RolloutDocument | undefined,
  occasion: Occasion,
): Outcome<Opened> {
  const { id, service, versions, now } = occasion;
  const { to, match = [], mirror = 0, drainMs = usualDrainMs, limits } = plan;
  const origin = originOf(plan, document, versions);
  const refused = [
    ...problems,
    ...wrongPlan(plan).map(([path, words]) => wrongField(service, path, words)),
    ...[...origin.refusals, ...unfit(origin.from, to, versions)].map((words) =>
      problem('rollout_refused', { service }, words),
    ),
  ];
  if (refused.length > 0 || origin.from === undefined) return failed(...refused);
  const { from } = origin;
  const timing = { steps, step: 0, stepSince: now, everyMs };
  return succeeded({ id, service, kind, from, to, ...timing, drainMs, limits, match, mirror });
}

const wrongField = (service: string, path: string, message: string): Problem =>
  problem('request_invalid', { service, path }, message);

function wrongSteps(steps: readonly number[]): readonly string[] {
  const said = steps.join(', ');
  if (steps.length === 0) return ['A canary needs steps: give for example 5, 25, 50, 100.'];
  if (steps.some((step) => !Number.isInteger(step) || step < 1 || step > 100))
    return [`Steps are whole percents from 1 to 100; these are ${said}.`];
  if (steps.some((step, index) => index > 0 && step <= (steps[index - 1] ?? 0)))
    return [`Steps rise, each above the one before; these are ${said}.`];
  return [];
}

/** Path and words of each field that is wrong. */
function wrongPlan(plan: CanaryPlan | BluegreenPlan): [string, string][] {
  const { limits, mirror = 0, drainMs = usualDrainMs } = plan;
  const wrong: [string, string][] = [];
  if (!(drainMs >= 0 && Number.isFinite(drainMs)))
    wrong.push(['drainMs', 'A version drains for a time of 0 s or more: give for example 10m.']);
  if (!(mirror >= 0 && mirror <= 100)) wrong.push(['mirror', 'Give 0 to 100 percent.']);
  if (limits === undefined) return wrong;
  const { maxErrorRate, maxP99Increase, minCalls } = limits;
  if (!(maxErrorRate >= 0 && maxErrorRate < 1))
    wrong.push(['limits.maxErrorRate', 'Give a share of calls from 0 % to below 100 %.']);
  if (!(maxP99Increase >= 0 && Number.isFinite(maxP99Increase)))
    wrong.push(['limits.maxP99Increase', 'Give how much slower p99 may be: +0 % or more.']);
  if (!(Number.isInteger(minCalls) && minCalls >= 1))
    wrong.push(['limits.minCalls', 'Give a whole number of calls, 1 or more.']);
  return wrong;
}

interface Origin {
  readonly from: string | undefined;
  readonly refusals: readonly string[];
}

/** The version that serves now, which a rollout begins from. */
function originOf(
  { from, to }: Pick<CanaryPlan, 'from' | 'to'>,
  document: RolloutDocument | undefined,
  versions: Versions,
): Origin {
  const serving = servingVersions(document, versions);
  if (from !== undefined && !serving.includes(from)) {
    const now = serving.length === 0 ? 'none does' : `${listed(serving)} does`;
    return { from: undefined, refusals: [`${from} does not serve now; ${now}.`] };
  }
  if (from !== undefined) return { from, refusals: [] };
  const [only, ...more] = serving.length > 1 ? serving.filter((each) => each !== to) : serving;
  if (only === undefined)
    return { from: undefined, refusals: [`No version serves that ${to} could take over from.`] };
  if (more.length === 0) return { from: only, refusals: [] };
  const names = listed([only, ...more]);
  return {
    from: undefined,
    refusals: [`${names} serve now: name the one that leaves, with --from.`],
  };
}

/** The version that the last rollout left; without one, or when it is gone, all that can. */
function servingVersions(
  document: RolloutDocument | undefined,
  versions: Versions,
): readonly string[] {
  const present = [...versions.keys()].sort(compare);
  const passing = present.filter((version) => passingOf(versions, version) > 0);
  const able = passing.length > 0 ? passing : present;
  if (!document) return able;
  const [winner, loser] = [winnerOf(document.current), loserOf(document.current)];
  if (versions.has(winner)) return [winner];
  return passing.includes(loser) ? [loser] : able;
}

/** Why `to` cannot stand in for `from`. */
function unfit(from: string | undefined, to: string, versions: Versions): readonly string[] {
  const next = versions.get(to);
  if (to === from) return [`${to} serves already: there is nothing to ship.`];
  if (!next) {
    const present = [...versions.keys()].sort(compare);
    const there = present.length === 0 ? 'none' : listed(present);
    return [`There is no version ${to}; present: ${there}. Register an instance of it first.`];
  }
  if (next.passing === 0)
    return [`No instance of ${to} passes its checks (of ${next.instances}). Mend one first.`];
  const before = from === undefined ? undefined : versions.get(from);
  return before ? differences(before, next, `${from ?? ''} and ${to}`) : [];
}

function differences(old: VersionFacts, next: VersionFacts, both: string): readonly string[] {
  const refusals: string[] = [];
  if (old.path !== next.path)
    refusals.push(
      `${both} are served on different paths, ${old.path} and ${next.path}: a rollout moves ` +
        'calls, not paths. Serve both on the same.',
    );
  if (old.eras && next.eras && eraWords(old.eras) !== eraWords(next.eras))
    refusals.push(
      `${both} speak different eras, ${eraWords(old.eras)} and ${eraWords(next.eras)}: agents ` +
        'in the middle of something would be lost. Register the new one under another name.',
    );
  return refusals;
}

const eraWords = (eras: readonly Era[]): string => listed([...eras].sort());
