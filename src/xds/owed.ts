/**
 * What a cluster on its way still needs, though the snapshot has dropped it or
 * this client has refused it.
 *
 * Envoy acknowledges clusters only when they are warm, and they warm only with
 * what they name. Should that never come, Envoy would wait for its fetch timeout
 * of 15 s, and hear of no cluster so long. So what they name stays as it was
 * until they are acknowledged.
 */
import type { Resource, ResourceKind, ResourceSet, Snapshot } from '../snapshot/snapshot.js';
import type { Changes } from './changes.js';
import { clusterFollowers } from './order.js';
import { isUnknown, type Content, type Subscription } from './subscription.js';

type Resources = Snapshot['resources'];
export type Owed = ReadonlyMap<ResourceKind, ReadonlyMap<string, Resource>>;

export const nothingOwed: Owed = new Map();

interface Passage {
  /** What the client was told of before, what was owed then included. */
  readonly before: Resources;
  readonly next: Resources;
  readonly changes: Changes | undefined;
  readonly owed: Owed;
  readonly subscriptions: ReadonlyMap<ResourceKind, Subscription>;
}

export function owedAfter(passage: Passage): Owed {
  const { before, next, subscriptions } = passage;
  const clusters = subscriptions.get('cluster')?.inFlight;
  if (!clusters || !mayLack(passage)) return nothingOwed;
  const found = new Map<ResourceKind, Map<string, Resource>>();
  for (const { kind, name } of followersOf(clusters)) {
    const subscription = subscriptions.get(kind);
    const isTaken = (resource: Resource | undefined): resource is Resource =>
      resource !== undefined &&
      !isUnknown(resource) &&
      !subscription?.hasRefused(name, resource.version);
    if (isTaken(next[kind].get(name))) continue;
    const resource = [before[kind].get(name), subscription?.held.get(name)].find(isTaken);
    if (!resource) continue;
    const ofKind = found.get(kind) ?? new Map<string, Resource>();
    found.set(kind, ofKind.set(name, resource));
  }
  return found;
}

function* followersOf(clusters: Content): Generator<{ kind: ResourceKind; name: string }> {
  for (const cluster of clusters.values()) if (cluster) yield* clusterFollowers(cluster);
}

/** Rarely the case, and the clusters on their way may be all there are. */
function mayLack({ next, changes, owed, subscriptions }: Passage): boolean {
  if (owed.size > 0) return true;
  return (['endpoint', 'secret'] as const).some(
    (kind) =>
      (subscriptions.get(kind)?.refused(next[kind]) ?? []).length > 0 ||
      changes?.[kind].some((name) => !next[kind].has(name)) === true,
  );
}

/** The very same resources where nothing is owed. */
export function withOwed(resources: Resources, owed: Owed): Resources {
  if (owed.size === 0) return resources;
  const kept: Partial<Record<ResourceKind, ResourceSet>> = {};
  for (const [kind, ofKind] of owed) kept[kind] = resources[kind].with(ofKind);
  return { ...resources, ...kept };
}
