/**
 * Who writes when, so that a large change to a thousand streams neither takes
 * the memory of a thousand copies nor holds up the answers that come in: what
 * goes beyond a turn of the event loop's share waits for the next.
 */

interface Writer {
  /** Writes what is due now; gives the number of bytes. */
  flush(): number;
}

/** gRPC copies every message for every stream; sockets take them between two turns. */
const bytesInTurn = 8 * 1024 * 1024;

export class Turns {
  readonly #waiting = new Set<Writer>();
  #written = 0;
  #begins = false;

  /** At once where this turn has room. */
  add(writer: Writer): void {
    this.#waiting.add(writer);
    this.#write();
  }

  leave(writer: Writer): void {
    this.#waiting.delete(writer);
  }

  #write(): void {
    for (const writer of this.#waiting) {
      if (this.#written >= bytesInTurn) break;
      this.#waiting.delete(writer);
      this.#written += writer.flush();
    }
    if (this.#written === 0 || this.#begins) return;
    this.#begins = true;
    setImmediate(() => this.#begin());
  }

  #begin(): void {
    this.#begins = false;
    this.#written = 0;
    this.#write();
  }
}
