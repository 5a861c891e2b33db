/** How far each registry is believed, and what is told of it. */
import { problem, type Problem } from '../errors.js';
import type { LossLimits } from './absences.js';
import { Belief, type HearingState, type Held } from './belief.js';
import type { Registration, SourceName } from './fleet.js';
import type { Registered } from './merge.js';

export interface BeliefStatus {
  readonly source: SourceName;
  /** Since when it is heard, or is not. */
  readonly since: number | undefined;
  /** How many instances of it are served, the held ones among them. */
  readonly instances: number;
  readonly held: Held | undefined;
}

/** How many services a problem's message names. */
const namesShown = 5;

export class Beliefs {
  readonly #beliefs: ReadonlyMap<SourceName, Belief>;

  constructor(
    sources: readonly SourceName[],
    kept: ReadonlyMap<SourceName, Registered> | undefined,
    limits: LossLimits,
  ) {
    this.#beliefs = new Map(
      sources.map((source) => [source, new Belief(kept?.get(source), limitsOf(source, limits))]),
    );
  }

  report(report: Registered): void {
    this.#beliefs.get(report.source)?.report(report);
  }

  hearing(source: SourceName, state: HearingState, now: number): void {
    this.#beliefs.get(source)?.hearing(state, now);
  }

  /** Without those that were never heard and of which nothing is kept. */
  believed(now: number): readonly Registered[] {
    return [...this.#beliefs.values()].flatMap((belief) => belief.believed(now) ?? []);
  }

  /** When something held runs out; `Infinity` while nothing does. */
  nextEnd(): number {
    return Math.min(...[...this.#beliefs.values()].map(({ nextEnd }) => nextEnd));
  }

  accept(source: SourceName): readonly Registration[] {
    return this.#beliefs.get(source)?.accept() ?? [];
  }

  removing(source: SourceName, { service, instance }: Removal, now: number): void {
    this.#beliefs.get(source)?.removing(service, instance, now);
  }

  statuses(): readonly BeliefStatus[] {
    return [...this.#beliefs].map(([source, { since, size, held }]) => ({
      ...{ source, since, instances: size, held },
    }));
  }

  problems(): Problem[] {
    return [...this.#beliefs].flatMap(([source, { held }]) =>
      held === undefined ? [] : [heldProblem(source, held)],
    );
  }
}

/** What an operator removes through the admin API: a service, or one instance of it. */
export interface Removal {
  readonly service: string;
  readonly instance?: string | undefined;
}

/** Who edits a file means it; but a file that is gone or emptied may be a slip. */
function limitsOf(source: SourceName, limits: LossLimits): LossLimits {
  return source === 'file' ? { ...limits, share: 1 } : limits;
}

function heldProblem(source: SourceName, { loss, until }: Held): Problem {
  const counts = new Map<string, number>();
  for (const { name } of loss.registrations) counts.set(name, (counts.get(name) ?? 0) + 1);
  const names = [...counts].map(([name, count]) => (count > 1 ? `${name} (${count})` : name));
  const more = names.length > namesShown ? ` and ${names.length - namesShown} more` : '';
  const end =
    until === undefined
      ? `until ${source} is heard again and still does not name them`
      : `until ${new Date(until).toISOString()} unless ${source} names them again`;
  const message =
    `${source} stopped naming ${loss.registrations.length} of ${loss.of} instances at once: ` +
    `${names.slice(0, namesShown).join(', ')}${more}. They are still served, ${end}. Mend ` +
    `${source}; or, where that is right, let them go now: mcpx registry accept ${source}.`;
  return problem('registry_loss_held', { source }, message);
}
