/** An issuer that cannot be heard: a problem while it lasts, logged when it begins and is over. */
import type { Problem } from '../errors.js';
import type { Log } from '../log.js';

export class Outage {
  #problems: readonly Problem[] = [];

  constructor(
    /** Is not heard, as `Vault`. */
    private readonly what: string,
    private readonly log: Log,
    /** Who no longer listens misses nothing. */
    private readonly closing: AbortSignal,
  ) {}

  get problems(): readonly Problem[] {
    return this.#problems;
  }

  goesOn(problems: readonly Problem[]): void {
    if (this.closing.aborted) return;
    const begins = this.#problems.length === 0;
    this.#problems = problems;
    for (const { message } of problems) this.log[begins ? 'warn' : 'debug'](message);
  }

  over(): void {
    if (this.#problems.length > 0) this.log.info(`${this.what} is heard again`);
    this.#problems = [];
  }
}
