/**
 * Which version speaks for a service: whose policy it takes, whose tools agents
 * see. Without a rollout the newest; with one the version that traffic is meant
 * for, so that agents are not shown what is only staged or tried on a few.
 */
import type { Catalogue, KeptRollout, Service } from './fleet.js';
import type { Phase } from './rollout.js';

const arrived: ReadonlySet<Phase> = new Set(['promoted', 'switched', 'finished']);

/** Undefined: no rollout says, or none of its versions is present. */
export function leadingVersion(
  rollout: KeptRollout | undefined,
  present: readonly { readonly version: string }[],
): string | undefined {
  if (!rollout) return undefined;
  const { from, to, phase } = rollout.document.current;
  const inOrder = arrived.has(phase) ? [to, from] : [from, to];
  return inOrder.find((named) => present.some(({ version }) => version === named));
}

/** What the version that leads has told; of a single version there is only one catalogue. */
export function leadingCatalogue({ probe, rollout, instances }: Service): Catalogue | undefined {
  const version = leadingVersion(rollout, instances);
  return (version !== undefined && probe?.versions?.[version]) || probe?.catalogue;
}
