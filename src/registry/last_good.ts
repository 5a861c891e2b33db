/**
 * What each entry of a registry last meant while it could be decoded.
 *
 * An entry that becomes wrong keeps its last good value, and an entry that
 * still means the same keeps the same object, because later stages remember
 * what they made of a value by its identity.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Outcome, Problem } from '../errors.js';
import { PersistentMap } from '../persistent_map.js';
import type { Decoded } from './decode.js';

export interface Entry<T> {
  /** What the entry is called from one reading to the next. */
  readonly key: string;
  /** Equal fingerprints decode alike, so an unchanged entry is not decoded again. */
  readonly fingerprint: string;
  decode(): Outcome<Decoded<T>>;
  /** Whether a value whose key is gone was this entry's, renamed by the mistake in it. */
  isHeirOf?(good: T): boolean;
  /** Brings a last good value up to date in what the registry still tells. */
  refresh?(good: T): T;
}

interface Known<T> {
  readonly fingerprint: string;
  readonly value: T | undefined;
  readonly problems: readonly Problem[];
}

export interface Settled<T> {
  readonly values: PersistentMap<T>;
  readonly problems: readonly Problem[];
}

export const nothingSettled: Settled<never> = { values: PersistentMap.of<never>(), problems: [] };

export class LastGood<T> {
  #known: PersistentMap<Known<T>> = PersistentMap.of();
  #values: PersistentMap<T> = PersistentMap.of();
  /** Keys of the entries that have problems. */
  readonly #faulty = new Set<string>();

  /** All that the registry holds now; what is no longer among `entries` is forgotten. */
  settle(entries: readonly Entry<T>[]): Settled<T> {
    const changes = new Map<string, Entry<T> | undefined>();
    for (const entry of entries) changes.set(entry.key, entry);
    for (const key of this.#known.keys()) if (!changes.has(key)) changes.set(key, undefined);
    return this.change(changes);
  }

  /** The entries that may be others now; undefined is forgotten, and all others stay. */
  change(changes: ReadonlyMap<string, Entry<T> | undefined>): Settled<T> {
    const orphans = new Map<string, Known<T>>();
    for (const [key, entry] of changes) {
      const orphan = entry ? undefined : this.#known.get(key);
      if (orphan) orphans.set(key, orphan);
    }
    const next = new Map<string, Known<T> | undefined>();
    for (const [key, entry] of changes)
      if (entry) next.set(key, settled(entry, this.#known.get(key) ?? inherited(entry, orphans)));
      else next.set(key, undefined);
    this.#known = this.#known.with(next);
    this.#values = this.#values.with([...next].map(([key, known]) => [key, known?.value]));
    for (const [key, known] of next)
      if (known?.problems.length) this.#faulty.add(key);
      else this.#faulty.delete(key);
    return { values: this.#values, problems: this.#problems() };
  }

  #problems(): readonly Problem[] {
    return [...this.#faulty].sort().flatMap((key) => this.#known.get(key)?.problems ?? []);
  }
}

function inherited<T>(entry: Entry<T>, orphans: Map<string, Known<T>>): Known<T> | undefined {
  if (entry.isHeirOf === undefined) return undefined;
  for (const [key, known] of orphans) {
    if (known.value === undefined || !entry.isHeirOf(known.value)) continue;
    orphans.delete(key);
    return known;
  }
  return undefined;
}

function settled<T>(entry: Entry<T>, before: Known<T> | undefined): Known<T> {
  const { fingerprint } = entry;
  if (before?.fingerprint === fingerprint) return before;
  const outcome = entry.decode();
  if (outcome.ok) {
    const { value, warnings } = outcome.value;
    const kept = isDeepStrictEqual(before?.value, value) ? before?.value : value;
    return { fingerprint, value: kept, problems: warnings };
  }
  const good = before?.value;
  const refreshed = good === undefined ? undefined : (entry.refresh?.(good) ?? good);
  return { fingerprint, value: refreshed, problems: outcome.problems };
}
