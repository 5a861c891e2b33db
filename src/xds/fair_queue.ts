/**
 * Those who wait, in turns: every host has one, and on its turn every one of
 * its connections. Whoever opens thousands of streams waits behind itself, and
 * in front of nobody.
 */

/** From the largest to the smallest of which each has its turns: host, connection. */
type Lanes = readonly string[];

export class FairQueue<T> {
  readonly #waiting = new Set<T>();
  readonly #lanes = new Map<string, FairQueue<T>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The even part that each of the largest lanes would have of so many places. */
  evenShare(places: number): number {
    return places / Math.max(1, this.#lanes.size);
  }

  sizeOf(lane: string): number {
    return this.#lanes.get(lane)?.size ?? 0;
  }

  add([first, ...rest]: Lanes, item: T): void {
    this.#size += 1;
    if (first === undefined) {
      this.#waiting.add(item);
      return;
    }
    const lane = this.#lanes.get(first) ?? new FairQueue<T>();
    this.#lanes.set(first, lane);
    lane.add(rest, item);
  }

  /** Gives whether it was there. */
  delete([first, ...rest]: Lanes, item: T): boolean {
    const lane = first === undefined ? undefined : this.#lanes.get(first);
    const found = lane ? lane.delete(rest, item) : this.#waiting.delete(item);
    if (found) this.#size -= 1;
    if (first !== undefined && lane?.size === 0) this.#lanes.delete(first);
    return found;
  }

  /** Whoever is next; its lane is next again after all others. */
  take(): T | undefined {
    for (const [name, lane] of this.#lanes) {
      this.#lanes.delete(name);
      const item = lane.take();
      if (lane.size > 0) this.#lanes.set(name, lane);
      this.#size -= 1;
      return item;
    }
    for (const item of this.#waiting) {
      this.#waiting.delete(item);
      this.#size -= 1;
      return item;
    }
    return undefined;
  }

  clear(): void {
    this.#waiting.clear();
    this.#lanes.clear();
    this.#size = 0;
  }
}
