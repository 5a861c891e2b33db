/**
 * Who is asked now: first come, first served, a bounded number at once. One
 * that takes long makes room for the next, so slow servers hold up nobody.
 */
const quickMax = 32;
const quickMs = 1_000;
/** Those that take long included. */
const allMax = 512;

type Task = () => Promise<void>;

export class Turns {
  readonly #waiting: Task[] = [];
  #quick = 0;
  #all = 0;

  /** Runs `task` when it is its turn; it must not throw. */
  add(task: Task): void {
    this.#waiting.push(task);
    this.#next();
  }

  #next(): void {
    while (this.#quick < quickMax && this.#all < allMax) {
      const task = this.#waiting.shift();
      if (!task) return;
      void this.#run(task);
    }
  }

  async #run(task: Task): Promise<void> {
    this.#quick += 1;
    this.#all += 1;
    let isQuick = true;
    const makeRoom = () => {
      if (isQuick) this.#quick -= 1;
      isQuick = false;
      this.#next();
    };
    const timer = setTimeout(makeRoom, quickMs);
    try {
      await task();
    } finally {
      clearTimeout(timer);
      this.#all -= 1;
      makeRoom();
    }
  }
}
