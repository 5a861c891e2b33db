/**
 * The names that a client asks for one by one, and what it takes to remember
 * them. Envoys that ask for the same share one list.
 */
import { PersistentMap } from '../persistent_map.js';
import { inStep, namesAlike, sharedNames } from './in_step.js';

type List = PersistentMap<true>;

export const everything = '*';

/** Beside its letters: its places in maps and sets. */
const bytesBeside = 64;
export const bytesOf = (text: string): number => text.length + bytesBeside;

const noNames: List = PersistentMap.of();
/** Kept with the list, so that whoever shares it counts nothing. */
const bytesIn = new WeakMap<List, number>();

export class Names {
  #list = noNames;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#list.size;
  }

  has(name: string): boolean {
    return this.#list.has(name);
  }

  all(): Iterable<string> {
    return this.#list.keys();
  }

  /** Are they just the names of these? */
  areThoseOf(others: ReadonlyMap<string, unknown>): boolean {
    return namesAlike(this.#list, others);
  }

  /** All at once: one by one each would copy the list. */
  add(names: readonly string[]): void {
    const { bytes } = this;
    const next = inStep(this.#list, names, () => {
      const added = new Set(names.filter((name) => name !== everything && !this.has(name)));
      return weighed(this.#list.with(each(added, true)), bytes + sum(added));
    });
    this.#take(sharedNames(next));
  }

  /** Gives those that were among them. */
  remove(names: readonly string[]): readonly string[] {
    const { bytes } = this;
    const removed = new Set(names.filter((name) => this.has(name)));
    if (removed.size === 0) return [];
    const next = inStep(this.#list, names, () =>
      weighed(this.#list.with(each(removed, undefined)), bytes - sum(removed)),
    );
    this.#take(next);
    return [...removed];
  }

  #take(list: List): void {
    this.#list = list;
    this.#bytes = bytesIn.get(list) ?? 0;
  }
}

export function* each<V>(names: Iterable<string>, value: V): Generator<[string, V]> {
  for (const name of names) yield [name, value];
}

function weighed(list: List, bytes: number): List {
  if (list !== noNames) bytesIn.set(list, bytes);
  return list;
}

function sum(names: Iterable<string>): number {
  let bytes = 0;
  for (const name of names) bytes += bytesOf(name);
  return bytes;
}
