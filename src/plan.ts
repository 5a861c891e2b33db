/**
 * What a set of changes would do to every Envoy, before any is made: the same
 * pure functions that the loop runs, on a fleet that is only thought of.
 */
import { planView } from './admin/plan.js';
import type { Plan } from './admin/state.js';
import type { Config } from './config.js';
import type { Problem } from './errors.js';
import { emptyFleet, type SourceName } from './fleet/fleet.js';
import { thoughtThrough, type Changes, type Standing } from './registry/planned.js';
import type { ResourceSettings } from './resources/settings.js';
import { snapshotDifference } from './snapshot/difference.js';
import type { Snapshot } from './snapshot/snapshot.js';
import { translate } from './translate.js';

interface PlanInput {
  /** What the loop works from and has come to. */
  readonly present: Standing & { readonly snapshot: Snapshot | undefined };
  readonly settings: ResourceSettings;
  readonly source: SourceName;
  readonly allowedTargets: readonly string[];
}

export function planOf({ present, settings, ...writing }: PlanInput, changes: Changes): Plan {
  const { reports, probes, fleet, snapshot } = present;
  const previous = { fleet, snapshot };
  const before = translate({ reports, probes, settings, previous });
  const planned = thoughtThrough(present, changes, writing);
  const after = translate({ reports: planned.reports, probes, settings, previous: before });
  return {
    steps: planned.steps,
    resources: snapshotDifference(before.snapshot, after.snapshot),
    appeared: without(after.problems, before.problems),
    mended: without(before.problems, after.problems),
  };
}

/** Where no control plane can be asked: nothing is registered, and no Envoy is connected. */
export function emptyFleetPlan(config: Config, changes: Changes): object {
  const { write = 'file', allowedTargets } = config.registry;
  const nothing = { reports: [], probes: new Map(), fleet: emptyFleet, snapshot: undefined };
  const input = { present: nothing, settings: config, source: write, allowedTargets };
  return planView(planOf(input, changes), []);
}

function without(problems: readonly Problem[], others: readonly Problem[]): readonly Problem[] {
  const known = new Set(others.map(textOf));
  return problems.filter((each) => !known.has(textOf(each)));
}

const textOf = ({ code, subject, message }: Problem): string =>
  JSON.stringify([code, subject, message]);
