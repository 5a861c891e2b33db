/**
 * WHAT Envoy is told: reports → fleet → resources → snapshot. Pure: the
 * pipeline, `mcpx plan` and the goldens share it.
 */
import type { Problem } from './errors.js';
import { fleetChanges } from './fleet/changes.js';
import type { Fleet, ProbeReport } from './fleet/fleet.js';
import { merge, type Registered } from './fleet/merge.js';
import { renderChanges, renderEdge } from './resources/render.js';
import type { ResourceSettings } from './resources/settings.js';
import { inconsistencies } from './snapshot/consistent.js';
import { buildSnapshot, changedSnapshot, type Snapshot } from './snapshot/snapshot.js';

export interface TranslationInput {
  readonly reports: readonly Registered[];
  readonly probes: ProbeReport;
  readonly settings: ResourceSettings;
  /** What stood before, so that what did not change stays the same object. */
  readonly previous: { readonly fleet: Fleet; readonly snapshot: Snapshot | undefined };
}

export interface Translation {
  readonly fleet: Fleet;
  /** What Envoys are to hold; both are the previous ones when it would not hold together. */
  readonly snapshot: Snapshot | undefined;
  readonly problems: readonly Problem[];
}

export function translate({ reports, probes, settings, previous }: TranslationInput): Translation {
  const { fleet, problems } = merge(reports, probes, previous.fleet);
  const snapshot = snapshotOf(fleet, settings, previous.snapshot);
  const broken = inconsistencies(snapshot, previous.snapshot);
  if (broken.length > 0) return { ...previous, problems: [...problems, ...broken] };
  origins.set(snapshot, { fleet, settings });
  return { fleet, snapshot, problems };
}

/** What a snapshot was rendered from. */
const origins = new WeakMap<Snapshot, { fleet: Fleet; settings: ResourceSettings }>();

/** Renders what changed since `previous`, or everything where that is not known. */
function snapshotOf(
  fleet: Fleet,
  settings: ResourceSettings,
  previous: Snapshot | undefined,
): Snapshot {
  const origin = previous && origins.get(previous);
  return previous && origin?.settings === settings
    ? changedSnapshot(previous, renderChanges(fleetChanges(origin.fleet, fleet), fleet, settings))
    : buildSnapshot(renderEdge(fleet, settings), previous);
}
