/**
 * A registry's report put together from what was settled of each sort: every
 * instance once, sorted. Kept from report to report, so that a report costs
 * what changed in it.
 */
import { problem, type Problem } from '../errors.js';
import type { PolicyOverride, Registration, SourceName } from '../fleet/fleet.js';
import type { RolloutDocument } from '../fleet/rollout.js';
import type { PersistentMap } from '../persistent_map.js';
import { nothingSettled, type Settled } from './last_good.js';
import type { Report } from './registry.js';

/** What a registry holds of each sort. */
interface Holdings {
  /** In one or several parts: of two entries with one name and id the earlier part's counts. */
  readonly instances: readonly Settled<Registration>[];
  readonly policies?: Settled<PolicyOverride>;
  readonly rollouts?: Settled<RolloutDocument>;
}

/** One entry of an instance: the part it is in, and its key there. */
interface Entered {
  readonly part: number;
  readonly key: string;
  readonly registration: Registration;
}

/** With more changes than this it is cheaper to sort everything anew. */
const fewChanges = 64;

export class Assembly {
  #parts: readonly PersistentMap<Registration>[] = [];
  /** `name/id` → its entries, the one that counts first; nearly always one. */
  readonly #entered = new Map<string, readonly Entered[]>();
  readonly #repeated = new Set<string>();
  #ids: readonly string[] = [];
  #registrations: readonly Registration[] = [];

  constructor(private readonly source: SourceName) {}

  report({ instances, policies = nothingSettled, rollouts = nothingSettled }: Holdings): Report {
    this.#take(instances.map(({ values }) => values));
    const settled = [...instances, policies, rollouts].flatMap(({ problems }) => problems);
    return {
      ...{ source: this.source, registrations: this.#registrations },
      ...{ policies: policies.values, rollouts: rollouts.values },
      problems: [...settled, ...this.#repetitions()],
    };
  }

  #take(parts: readonly PersistentMap<Registration>[]): void {
    const changed = new Set<string>();
    for (const [part, values] of parts.entries()) {
      const before = this.#parts[part] ?? nothingSettled.values;
      for (const key of values.differences(before)) {
        const [gone, come] = [before.get(key), values.get(key)];
        if (gone) this.#leave(idOf(gone), { part, key }, changed);
        if (come) this.#enter(idOf(come), { part, key, registration: come }, changed);
      }
    }
    this.#parts = parts;
    if (changed.size > fewChanges) this.#sort();
    else for (const id of changed) this.#place(id);
  }

  #enter(id: string, entry: Entered, changed: Set<string>): void {
    const entries = [...(this.#entered.get(id) ?? []), entry].sort(byPlace);
    this.#entered.set(id, entries);
    if (entries.length > 1) this.#repeated.add(id);
    changed.add(id);
  }

  #leave(id: string, { part, key }: Pick<Entered, 'part' | 'key'>, changed: Set<string>): void {
    const entries = (this.#entered.get(id) ?? []).filter(
      (each) => each.part !== part || each.key !== key,
    );
    if (entries.length > 0) this.#entered.set(id, entries);
    else this.#entered.delete(id);
    if (entries.length < 2) this.#repeated.delete(id);
    changed.add(id);
  }

  #sort(): void {
    this.#ids = [...this.#entered.keys()].sort();
    this.#registrations = this.#ids.flatMap((id) => this.#entered.get(id)?.[0]?.registration ?? []);
  }

  #place(id: string): void {
    const at = placeOf(this.#ids, id);
    const replaced = this.#ids[at] === id ? 1 : 0;
    const present = this.#entered.get(id)?.[0]?.registration;
    this.#ids = this.#ids.toSpliced(at, replaced, ...(present ? [id] : []));
    this.#registrations = this.#registrations.toSpliced(
      at,
      replaced,
      ...(present ? [present] : []),
    );
  }

  #repetitions(): Problem[] {
    return [...this.#repeated].sort().flatMap((id) =>
      (this.#entered.get(id) ?? []).slice(1).map(({ registration }) => {
        const { name: service, id: instance } = registration;
        return problem(
          'registration_invalid',
          { source: this.source, service, instance },
          `${service} registers the instance ${instance} twice; the first entry counts, ` +
            'remove the other.',
        );
      }),
    );
  }
}

/** Names hold no slash. */
const idOf = ({ name, id }: Registration): string => `${name}/${id}`;

const byPlace = (one: Entered, other: Entered): number =>
  one.part - other.part || (one.key < other.key ? -1 : 1);

/** Where it is, or would be. */
function placeOf(ids: readonly string[], id: string): number {
  let [low, high] = [0, ids.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ids[middle] ?? '') < id) low = middle + 1;
    else high = middle;
  }
  return low;
}
