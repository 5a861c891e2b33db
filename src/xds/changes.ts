/** What differs between two snapshots: found once a change, shared by every stream. */
import {
  emptySnapshot,
  resourceKinds,
  type ResourceKind,
  type Snapshot,
} from '../snapshot/snapshot.js';

export type Changes = Readonly<Record<ResourceKind, readonly string[]>>;

export function changesBetween(previous = emptySnapshot, next: Snapshot): Changes {
  const changed = resourceKinds.map((kind) => [
    kind,
    next.resources[kind].differences(previous.resources[kind]),
  ]);
  return Object.fromEntries(changed) as Changes;
}
