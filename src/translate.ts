/**
 * WHAT Envoy is told: reports → fleet → resources → snapshot. Pure: the
 * pipeline, `mcpx plan` and the goldens share it.
 */
import type { Problem } from './errors.js';
import type { Fleet, ProbeReport } from './fleet/fleet.js';
import { merge, type Registered } from './fleet/merge.js';
import { renderEdge } from './resources/render.js';
import type { ResourceSettings } from './resources/settings.js';
import { inconsistencies } from './snapshot/consistent.js';
import { buildSnapshot, type Snapshot } from './snapshot/snapshot.js';

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
  const rendering = renderEdge(fleet, settings);
  const snapshot = buildSnapshot(rendering, previous.snapshot);
  const broken = snapshot === previous.snapshot ? [] : inconsistencies(snapshot);
  if (broken.length > 0) return { ...previous, problems: [...problems, ...broken] };
  return { fleet, snapshot, problems };
}
