/**
 * Streams that are in step share what they hold: the first to take a step makes
 * the next map, and those that take the same step from the same map get the
 * same one. A thousand Envoys that hold the same cost the memory of one.
 */
import { PersistentMap } from '../persistent_map.js';

interface Step {
  /** What was taken: the same object for all who take it. */
  readonly by: object;
  /** Weak, or one stream that stands still would keep every later step of the others. */
  readonly to: WeakRef<object>;
}

const steps = new WeakMap<object, Step>();

export function inStep<V>(
  from: PersistentMap<V>,
  by: object,
  take: () => PersistentMap<V>,
): PersistentMap<V> {
  const known = steps.get(from);
  const shared = known?.by === by ? known.to.deref() : undefined;
  if (shared) return shared as PersistentMap<V>;
  const to = take();
  steps.set(from, { by, to: new WeakRef(to) });
  return to;
}

let latelyNamed: PersistentMap<true> = PersistentMap.of();

/** Envoys ask for the same names, in whatever order: they share one list. */
export function sharedNames(names: PersistentMap<true>): PersistentMap<true> {
  const isAlike = names.isAkinTo(latelyNamed)
    ? names.differences(latelyNamed).length === 0
    : namesAlike(names, latelyNamed);
  if (!isAlike) latelyNamed = names;
  return latelyNamed;
}

type Named = ReadonlyMap<string, unknown>;

export function namesAlike(one: Named, other: Named): boolean {
  if (one.size !== other.size) return false;
  for (const name of one.keys()) if (!other.has(name)) return false;
  return true;
}
