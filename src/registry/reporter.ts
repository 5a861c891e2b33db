/** Speaks to a registry's listener: whole reports and whether it is heard, only what is new. */
import { isDeepStrictEqual } from 'node:util';
import { problem } from '../errors.js';
import type { PolicyOverride, Registration, SourceName } from '../fleet/fleet.js';
import type { RolloutDocument } from '../fleet/rollout.js';
import type { Settled } from './last_good.js';
import type { Hearing, RegistryListener, Report } from './registry.js';

export class Reporter {
  #last: Report | undefined;
  #hearing: Hearing = { state: 'connecting' };

  constructor(
    private readonly source: SourceName,
    private readonly listener: RegistryListener,
  ) {
    listener.hearing(source, this.#hearing);
  }

  hearing(hearing: Hearing): void {
    if (isDeepStrictEqual(hearing, this.#hearing)) return;
    this.#hearing = hearing;
    this.listener.hearing(this.source, hearing);
  }

  report(report: Report): void {
    if (this.#last !== undefined && sameReport(this.#last, report)) return;
    this.#last = report;
    this.listener.report(report);
  }
}

/** What a registry holds of each sort, as it was settled. */
interface Holdings {
  readonly instances: Settled<Registration>;
  readonly policies?: Settled<PolicyOverride>;
  readonly rollouts?: Settled<RolloutDocument>;
}

const nothing: Settled<never> = { values: new Map<string, never>(), problems: [] };

/** The report of what was settled, sorted; of two entries with one name and id the first stays. */
export function assembled(
  source: SourceName,
  { instances, policies = nothing, rollouts = nothing }: Holdings,
): Report {
  const unique = new Map<string, Registration>();
  const problems = [...instances.problems, ...policies.problems, ...rollouts.problems];
  for (const registration of instances.values.values()) {
    const { name, id } = registration;
    const key = `${name}/${id}`;
    if (!unique.has(key)) unique.set(key, registration);
    else
      problems.push(
        problem(
          'registration_invalid',
          { source, service: name, instance: id },
          `${name} registers the instance ${id} twice; the first entry counts, remove the other.`,
        ),
      );
  }
  const registrations = [...unique.entries()]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([, registration]) => registration);
  return {
    ...{ source, registrations, problems },
    ...{ policies: policies.values, rollouts: rollouts.values },
  };
}

function sameReport(one: Report, other: Report): boolean {
  return (
    sameItems(one.registrations, other.registrations) &&
    sameItems([...one.policies].flat(), [...other.policies].flat()) &&
    sameItems([...one.rollouts].flat(), [...other.rollouts].flat()) &&
    isDeepStrictEqual(one.problems, other.problems)
  );
}

function sameItems(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((item, index) => item === other[index]);
}
