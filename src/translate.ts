/**
 * WHAT Envoy is told: reports → fleet → resources → snapshot. Pure: the
 * pipeline, `mcpx plan` and the goldens share it.
 */
import type { Problem } from './errors.js';
import { fleetChanges } from './fleet/changes.js';
import type { Fleet, ProbeReport } from './fleet/fleet.js';
import { merge, type Registered } from './fleet/merge.js';
import { renderChanges, renderEdge, renderSecrets, type EdgeSecrets } from './resources/render.js';
import type { ResourceSettings } from './resources/settings.js';
import { inconsistencies } from './snapshot/consistent.js';
import { buildSnapshot, changedSnapshot, type Snapshot } from './snapshot/snapshot.js';

export interface TranslationInput {
  readonly reports: readonly Registered[];
  readonly probes: ProbeReport;
  readonly settings: ResourceSettings;
  /** Without certificates nothing is reached by TLS; the same object while nothing changed. */
  readonly secrets?: EdgeSecrets | undefined;
  /** What stood before, so that what did not change stays the same object. */
  readonly previous: { readonly fleet: Fleet; readonly snapshot: Snapshot | undefined };
}

export interface Translation {
  readonly fleet: Fleet;
  /** What Envoys are to hold; both are the previous ones when it would not hold together. */
  readonly snapshot: Snapshot | undefined;
  readonly problems: readonly Problem[];
}

const noSecrets: EdgeSecrets = {};

export function translate(input: TranslationInput): Translation {
  const { reports, probes, settings, previous, secrets = noSecrets } = input;
  const { fleet, problems } = merge(reports, probes, previous.fleet);
  const snapshot = snapshotOf({ fleet, settings, secrets }, previous.snapshot);
  const broken = inconsistencies(snapshot, previous.snapshot);
  if (broken.length > 0) return { ...previous, problems: [...problems, ...broken] };
  origins.set(snapshot, { fleet, settings, secrets });
  return { fleet, snapshot, problems };
}

/** What a snapshot was rendered from. */
interface Origin {
  readonly fleet: Fleet;
  readonly settings: ResourceSettings;
  readonly secrets: EdgeSecrets;
}

const origins = new WeakMap<Snapshot, Origin>();

/** Renders what changed since `previous`, or everything where that is not known. */
function snapshotOf(present: Origin, previous: Snapshot | undefined): Snapshot {
  const { fleet, settings, secrets } = present;
  const origin = previous && origins.get(previous);
  if (!origin || origin.settings !== settings || !isNamedAlike(origin.secrets, secrets))
    return buildSnapshot(renderEdge(fleet, settings, secrets), previous);
  const services = fleetChanges(origin.fleet, fleet);
  return changedSnapshot(previous, {
    ...renderChanges(services, fleet, settings, secrets.credentials),
    ...(origin.secrets !== secrets && { secret: secretChanges(previous, secrets) }),
  });
}

/** Otherwise every cluster names other peers. */
const isNamedAlike = (one: EdgeSecrets, other: EdgeSecrets): boolean =>
  one.credentials?.pattern === other.credentials?.pattern;

function secretChanges(previous: Snapshot, secrets: EdgeSecrets) {
  const gone = [...previous.resources.secret.keys()].map((name) => [name, undefined] as const);
  const present = renderSecrets(secrets).map(({ name, bytes }) => [name, bytes] as const);
  return new Map<string, Buffer | undefined>([...gone, ...present]);
}
