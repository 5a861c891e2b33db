/**
 * Which version takes how much of the new traffic. A rollout's document goes on to
 * decide after it ended, so a version nobody has rolled out never takes traffic only
 * because it registered.
 */
import type { Instance } from '../fleet/fleet.js';
import type { Phase, Rollout } from '../fleet/rollout.js';

/** What the new version is meant to have; in the phases that are not here: its step. */
const shareIn: Partial<Record<Phase, number>> = {
  promoted: 100,
  switched: 100,
  finished: 100,
  staged: 0,
  aborted: 0,
  rolled_back: 0,
};

/** Percent of the new traffic that the new version is meant to have, its instances aside. */
export function shareOfNew({ phase, steps, step }: Rollout): number {
  return shareIn[phase] ?? steps[step] ?? 0;
}

/** Whether the new version has no share yet, but copies of calls, by which it is judged. */
export const getsCopiesOnly = (rollout: Rollout): boolean =>
  shareIn[rollout.phase] === undefined && shareOfNew(rollout) === 0;

/** `25 %`, or `0 % (copies only)`. */
export const shareWords = (rollout: Rollout): string =>
  `${shareOfNew(rollout)} %${getsCopiesOnly(rollout) ? ' (copies only)' : ''}`;

type Bearer = Pick<Instance, 'version' | 'passing' | 'weight'>;

/**
 * Percent of each version that is present. Undefined: the service never had a rollout, and
 * its versions share by the weights of their instances. Rules that match callers are no shares.
 */
export function sharesOf(
  { instances }: { readonly instances: readonly Bearer[] },
  rollout: Rollout | undefined,
): ReadonlyMap<string, number> | undefined {
  if (rollout === undefined) return undefined;
  const passing = weightsOfPassing(instances);
  const bearers = sharesAmongNamed(rollout, passing) ?? byWeight(passing);
  const versions = [...new Set(instances.map(({ version }) => version))];
  return new Map(versions.map((version) => [version, bearers.get(version) ?? 0]));
}

/** How versions share where no rollout decides: percent of those that have a passing instance. */
export const sharesByWeight = (instances: readonly Bearer[]): ReadonlyMap<string, number> =>
  byWeight(weightsOfPassing(instances));

function weightsOfPassing(instances: readonly Bearer[]): ReadonlyMap<string, number> {
  const weights = new Map<string, number>();
  for (const { version, passing, weight } of instances)
    if (passing) weights.set(version, (weights.get(version) ?? 0) + weight);
  return weights;
}

/** Undefined when neither version of the rollout has an instance that passes. */
function sharesAmongNamed(
  rollout: Rollout,
  passing: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> | undefined {
  const share = shareOfNew(rollout);
  const named: readonly (readonly [string, number])[] = [
    [rollout.from, 100 - share],
    [rollout.to, share],
  ];
  const able = named.filter(([version]) => passing.has(version));
  const [alone] = able;
  // A version that is kept at 0 is better than none.
  if (able.length === 1 && alone) return new Map([[alone[0], 100]]);
  return alone && new Map(able);
}

function byWeight(weights: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const total = [...weights.values()].reduce((sum, weight) => sum + weight, 0);
  return new Map([...weights].map(([version, weight]) => [version, (weight / total) * 100]));
}
