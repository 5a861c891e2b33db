/**
 * Work that is asked for in bursts: done at once when idle, and once more
 * afterwards however often it was asked for meanwhile. No fixed delay.
 */
export class Coalesced {
  #wanted = false;
  #running: Promise<void> | undefined;

  constructor(private readonly work: () => Promise<void> | void) {}

  request(): void {
    this.#wanted = true;
    this.#running ??= this.#run();
  }

  /** When nothing is running any more. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#wanted) {
      // What arrived in the same turn of the event loop is one burst.
      await new Promise(setImmediate);
      this.#wanted = false;
      await this.work();
    }
    this.#running = undefined;
  }
}
