/** What differs between two snapshots: found once a change, shared by every stream. */
import {
  resourceKinds,
  type ResourceKind,
  type ResourceSet,
  type Snapshot,
} from '../snapshot/snapshot.js';

export type Changes = Readonly<Record<ResourceKind, readonly string[]>>;

export function changesBetween(previous: Snapshot | undefined, next: Snapshot): Changes {
  const changed = resourceKinds.map((kind) => [
    kind,
    changedNames(previous?.resources[kind] ?? new Map(), next.resources[kind]),
  ]);
  return Object.fromEntries(changed) as Changes;
}

/** Unchanged resources are the same objects, so comparing them costs nothing. */
function changedNames(previous: ResourceSet, next: ResourceSet): readonly string[] {
  if (previous === next) return [];
  const names = [...next.keys()].filter((name) => previous.get(name) !== next.get(name));
  for (const name of previous.keys()) if (!next.has(name)) names.push(name);
  return names;
}
