/**
 * A map that never changes: a change gives another map, which shares what
 * stayed. So whoever remembers an earlier map can be told what differs, at a
 * cost that follows the difference and not the size.
 *
 * Changes lie in a thin layer over a base; a layer that has grown thick becomes
 * part of a new base. Immutable.js and sorted-btree share more, and look up a
 * name several times slower: here every stream looks up every name.
 */

const gone = Symbol('gone');
type Layer<V> = ReadonlyMap<string, V | typeof gone>;

/**
 * Thicker than this it is cheaper to make a new base than to copy the layer with every change:
 * with n names and k of them changed at a time, copying n every L/k changes costs as much as
 * copying L/2 with each at L = √(2nk).
 */
const thickestOver = (names: number, changed: number): number =>
  Math.max(64, Math.sqrt(2 * names * changed));

const noLayer: Layer<never> = new Map<string, never>();

export class PersistentMap<V> implements ReadonlyMap<string, V> {
  private constructor(
    private readonly base: ReadonlyMap<string, V>,
    private readonly layer: Layer<V>,
    readonly size: number,
  ) {}

  static of<V>(entries: Iterable<readonly [string, V]> = []): PersistentMap<V> {
    const base = new Map(entries);
    return new PersistentMap(base, noLayer, base.size);
  }

  get(name: string): V | undefined {
    const changed = this.layer.get(name);
    if (changed === undefined) return this.base.get(name);
    return changed === gone ? undefined : changed;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** `undefined` removes. This very map when nothing of it is changed. */
  with(changes: Iterable<readonly [string, V | undefined]>): PersistentMap<V> {
    const layer = new Map(this.layer);
    let size = this.size;
    let changed = 0;
    for (const [name, value] of changes) {
      const present = valueIn(layer, this.base, name);
      if (present === value) continue;
      changed++;
      size += Number(value !== undefined) - Number(present !== undefined);
      layer.set(name, value ?? gone);
    }
    if (changed === 0) return this;
    const next = new PersistentMap(this.base, layer, size);
    return layer.size > thickestOver(this.size, changed) ? PersistentMap.of(next) : next;
  }

  /** Both come from one map not long ago: then what differs is found without reading the rest. */
  isAkinTo(other: PersistentMap<V>): boolean {
    return this.base === other.base;
  }

  /** The names whose values are not the same objects in both. */
  differences(other: PersistentMap<V>): readonly string[] {
    if (this === other) return [];
    const shared = this.isAkinTo(other);
    const names = new Set(shared ? this.layer.keys() : this.keys());
    for (const name of shared ? other.layer.keys() : other.keys()) names.add(name);
    return [...names].filter((name) => this.get(name) !== other.get(name));
  }

  entries(): MapIterator<[string, V]> {
    return this.layer.size === 0
      ? this.base.entries()
      : this.#layered((name, value) => [name, value]);
  }

  keys(): MapIterator<string> {
    return this.layer.size === 0 ? this.base.keys() : this.#layered((name) => name);
  }

  values(): MapIterator<V> {
    return this.layer.size === 0 ? this.base.values() : this.#layered((_, value) => value);
  }

  *#layered<T>(give: (name: string, value: V) => T): MapIterator<T> {
    for (const [name, value] of this.base) if (!this.layer.has(name)) yield give(name, value);
    for (const [name, value] of this.layer) if (value !== gone) yield give(name, value);
  }

  [Symbol.iterator](): MapIterator<[string, V]> {
    return this.entries();
  }

  forEach(see: (value: V, name: string, map: ReadonlyMap<string, V>) => void): void {
    for (const [name, value] of this) see(value, name, this);
  }
}

function valueIn<V>(layer: Layer<V>, base: ReadonlyMap<string, V>, name: string): V | undefined {
  const changed = layer.get(name);
  if (changed === undefined) return base.get(name);
  return changed === gone ? undefined : changed;
}

/** The names whose values differ, of any two maps; cheap where both share a past. */
export function differences<V>(
  one: ReadonlyMap<string, V>,
  other: ReadonlyMap<string, V>,
): readonly string[] {
  if (one === other) return [];
  if (one instanceof PersistentMap && other instanceof PersistentMap)
    return one.differences(other as PersistentMap<V>);
  const names = new Set([...one.keys(), ...other.keys()]);
  return [...names].filter((name) => one.get(name) !== other.get(name));
}
