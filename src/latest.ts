/**
 * A value with subscribers, where the newest wins.
 *
 * Setting a value equal (by identity) to the present one wakes nobody; a late
 * subscriber is told the present value at once; nothing is ever queued.
 */
export class Latest<T> {
  readonly #subscribers = new Set<(value: T) => void>();

  constructor(private present: T) {}

  get value(): T {
    return this.present;
  }

  set(value: T): void {
    if (value === this.present) return;
    this.present = value;
    if (this.#subscribers.size === 0) return;
    for (const subscriber of [...this.#subscribers]) {
      // A subscriber may have set a newer one, or ended another's subscription.
      if (this.present !== value) return;
      if (this.#subscribers.has(subscriber)) subscriber(value);
    }
  }

  /** Calls `subscriber` now and on every change, until the returned function is called. */
  subscribe(subscriber: (value: T) => void): () => void {
    this.#subscribers.add(subscriber);
    subscriber(this.present);
    return () => this.#subscribers.delete(subscriber);
  }

  /** The first value, present or future, that satisfies `accept`. */
  async when(accept: (value: T) => boolean): Promise<T> {
    return new Promise((resolve) => {
      const unsubscribe = this.subscribe((value) => {
        if (!accept(value)) return;
        queueMicrotask(() => unsubscribe());
        resolve(value);
      });
    });
  }
}
