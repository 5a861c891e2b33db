/** What would have to be sent to an Envoy that holds one snapshot so that it holds another. */
import { emptySnapshot, resourceKinds, type ResourceKind, type Snapshot } from './snapshot.js';

export interface ResourceDifference {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly change: 'added' | 'changed' | 'removed';
  /** Of the message that is sent; 0 where it is only named as gone. */
  readonly bytes: number;
}

/** In the order Envoy should hear of the kinds, then by name. */
export function snapshotDifference(
  before: Snapshot | undefined,
  after: Snapshot | undefined,
): readonly ResourceDifference[] {
  const [had, has] = [before ?? emptySnapshot, after ?? emptySnapshot];
  return resourceKinds.flatMap((kind) =>
    [...had.resources[kind].differences(has.resources[kind])].sort().flatMap((name) => {
      const [old, now] = [had.resources[kind].get(name), has.resources[kind].get(name)];
      // Equal bytes may be two objects, where the snapshots have no past in common.
      if (old?.version === now?.version) return [];
      const change = now === undefined ? 'removed' : old === undefined ? 'added' : 'changed';
      return [{ kind, name, change, bytes: now?.bytes.length ?? 0 }];
    }),
  );
}
