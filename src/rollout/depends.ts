/** Who depends on a version that a rollout takes away. Pure. */
import type { Problem } from '../errors.js';
import { fleetWith, serviceNamed } from '../fleet/changes.js';
import { newlyUnmet } from '../fleet/dependencies.js';
import type { Fleet } from '../fleet/fleet.js';

/** Why `from` may not be retired yet, each with its chain; undefined where nobody needs it. */
export function whoNeedsOld(fleet: Fleet, rollout: Versions): string | undefined {
  const chains = brokenByRollout(fleet, rollout).map(({ message }) => message);
  return chains.length === 0 ? undefined : chains.join(' ');
}

interface Versions {
  readonly service: string;
  readonly from: string;
  readonly to: string;
}

/**
 * `dependency_unmet`, one for each dependency that `from` meets and that nothing would
 * meet once the rollout has ended and `from` is retired.
 */
export function brokenByRollout(
  fleet: Fleet,
  { service: name, from, to }: Versions,
): readonly Problem[] {
  const before = serviceNamed(fleet, name);
  const instances = before?.instances.filter(({ version }) => version !== from) ?? [];
  if (before === undefined || !instances.some(({ version }) => version === to)) return [];
  const after = { ...before, instances };
  const next = fleetWith(fleet, new Map([[name, after]]));
  return newlyUnmet(fleet, next, [{ name, before, after }]);
}
