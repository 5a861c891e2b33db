/**
 * What each entry of a registry last meant while it could be decoded.
 *
 * An entry that becomes wrong keeps its last good value, and an entry that
 * still means the same keeps the same object, because later stages remember
 * what they made of a value by its identity.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Outcome, Problem } from '../errors.js';
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
  readonly values: ReadonlyMap<string, T>;
  readonly problems: readonly Problem[];
}

export class LastGood<T> {
  #known: ReadonlyMap<string, Known<T>> = new Map();

  /** All that the registry holds now; what is no longer among `entries` is forgotten. */
  settle(entries: readonly Entry<T>[]): Settled<T> {
    const keys = new Set(entries.map(({ key }) => key));
    const orphans = new Map([...this.#known].filter(([key]) => !keys.has(key)));
    const next = new Map<string, Known<T>>();
    for (const entry of entries) {
      const before = this.#known.get(entry.key) ?? inherited(entry, orphans);
      next.set(entry.key, settled(entry, before));
    }
    this.#known = next;
    const values = new Map<string, T>();
    for (const [key, { value }] of next) if (value !== undefined) values.set(key, value);
    return { values, problems: [...next.values()].flatMap(({ problems }) => problems) };
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
