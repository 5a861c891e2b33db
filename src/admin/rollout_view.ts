/** Rollouts → what the API shows of them. */
import { rcompare } from 'semver';
import type { z } from 'zod';
import type { Service } from '../fleet/fleet.js';
import type { Rollout, RolloutDocument } from '../fleet/rollout.js';
import { courseOf } from '../rollout/course.js';
import { drainOf, drainTime, drainWords, loserOf } from '../rollout/drain.js';
import { failureKinds, type Signals } from '../rollout/judge.js';
import { quantile } from '../rollout/latency.js';
import { isOpen } from '../rollout/open.js';
import { passes, uncheckedWords } from '../rollout/standing.js';
import { shareOfNew, sharesByWeight, sharesOf } from '../rollout/shares.js';
import type { Proposal, RolloutStatus } from '../rollout/steering.js';
import type { Changed } from './audit.js';
import type { rollout, rolloutPlan, rolloutStatus } from './rollout_schemas.js';

type RolloutView = z.infer<typeof rollout>;
type StatusView = z.infer<typeof rolloutStatus>;
type VersionView = StatusView['versions'][number];
type PlanView = z.infer<typeof rolloutPlan>;

const dateOf = (at: number): string => new Date(at).toISOString();

function rolloutView(kept: Rollout): RolloutView {
  const { events, limits, stepSince, ...rest } = kept;
  const { id, kind, from, to, phase, steps, step, everyMs, match, mirror } = rest;
  return {
    ...{ id, kind, from, to, phase, steps: [...steps], step, everyMs, mirror },
    ...{ stepSince: dateOf(stepSince), drainMs: drainOf(kept) },
    ...(limits && {
      limits: {
        maxErrorRate: limits.maxErrorRate,
        maxP99: limits.maxP99Increase,
        minCalls: limits.minCalls,
      },
    }),
    match: match.map((rule) => ({ ...rule })),
    events: events.map(({ at, from: before, ...event }) => ({
      ...{ at: dateOf(at), ...event },
      ...(before !== undefined && { from: before }),
    })),
  };
}

export const historyOf = ({ current, earlier }: RolloutDocument): RolloutView[] =>
  [current, ...earlier].map(rolloutView);

/** For the audit log: where a rollout stood, and where it stands. */
export function changedBy({ service, before, after }: Proposal): Changed {
  return {
    subject: { service: service.name, rollout: after.current.id },
    before: before ? standingOf(before.current) : null,
    after: { ...standingOf(after.current), why: after.current.events.at(-1)?.why ?? '' },
  };
}

function standingOf({ kind, from, to, phase, steps, step, events }: Rollout): object {
  const share = events.at(-1)?.share ?? 0;
  return { kind, from, to, phase, steps, step, share };
}

export function statusView(status: RolloutStatus): StatusView {
  const { service, document, verdict, next, lagging } = status;
  const againInMs = 'againIn' in next ? next.againIn : undefined;
  return {
    service: service.name,
    rollout: rolloutView(document.current),
    open: isOpen(document.current),
    versions: versionViews(status),
    ...(verdict && { verdict }),
    next: {
      ...{ what: next.what, why: next.why },
      ...(againInMs !== undefined && { againInMs: Math.ceil(againInMs) }),
    },
    lagging: lagging.map(({ node, refused }) => ({ node, refused })),
  };
}

function versionViews({ service, document, window }: RolloutStatus): VersionView[] {
  const { from, to } = document.current;
  const shares = sharesNow(service, document);
  const present = service.instances.map(({ version }) => version);
  const others = [...new Set(present)].filter((each) => each !== from && each !== to);
  const felt = new Map(window && [[from, window.old] as const, [to, window.new] as const]);
  return [from, to, ...others.sort(rcompare)].map((version) => {
    const own = service.instances.filter((instance) => instance.version === version);
    const signals = felt.get(version);
    return {
      ...{ version, share: shares.get(version) ?? 0 },
      instances: { passing: own.filter((one) => passes(service, one)).length, total: own.length },
      ...(signals && { signals: signalsView(signals) }),
    };
  });
}

function sharesNow(
  service: Service,
  document: RolloutDocument | undefined,
): ReadonlyMap<string, number> {
  return sharesOf(service, document?.current) ?? sharesByWeight(service.instances);
}

function signalsView({ calls, failures, latency }: Signals): VersionView['signals'] {
  const p99 = quantile(latency, 0.99);
  const failed = failureKinds.reduce((sum, kind) => sum + failures[kind], 0);
  return {
    ...{ calls, failed, failures: { ...failures } },
    ...(p99 !== undefined && { p99Ms: Math.round(p99 * 10) / 10 }),
  };
}

const drainView = (ended: RolloutDocument): PlanView['drain'] => ({
  ...{ version: loserOf(ended.current), ms: drainTime(ended), words: drainWords(ended) },
});

/** What whoever goes on should know before. */
function warningsOf({ service, after: { current } }: Proposal): string[] {
  const mayServe = isOpen(current) || shareOfNew(current) > 0;
  const words = mayServe ? uncheckedWords(service, current.to) : undefined;
  return words === undefined ? [] : [words];
}

interface Told {
  readonly nodes: readonly string[];
  readonly dryRun: boolean;
}

export function planView(proposal: Proposal, { nodes, dryRun }: Told): PlanView {
  const { service, before, after, differences, effects } = proposal;
  const { kind, from, to, phase, events } = after.current;
  const { what, why = '' } = events.at(-1) ?? {};
  const [old, next] = [sharesNow(service, before), sharesNow(service, after)];
  const seen = before?.current;
  const earlier = before?.current.id === after.current.id ? before.current.phase : undefined;
  return {
    ...{ service: service.name, dryRun, what: what ?? '', kind, from, to },
    phase: { ...(earlier && { from: earlier }), to: phase },
    shares: [...new Set([from, to, ...old.keys(), ...next.keys()])].map((version) => ({
      ...{ version, from: old.get(version) ?? 0, to: next.get(version) ?? 0 },
    })),
    ...(!isOpen(after.current) && { drain: drainView(after) }),
    course: before?.current.id === after.current.id ? [] : courseOf(after.current),
    warnings: warningsOf(proposal),
    nodes: [...nodes],
    differences: differences.map(({ subject, words, breaking }) => ({ subject, words, breaking })),
    resources: effects.map((effect) => ({ ...effect })),
    why,
    ...(seen && { seen: { id: seen.id, phase: seen.phase, step: seen.step } }),
  };
}
