/** How much each address has of something; those that have nothing are forgotten. */
export class Tally {
  readonly #amounts = new Map<string, number>();

  of(address: string): number {
    return this.#amounts.get(address) ?? 0;
  }

  /** Gives what it has then. */
  add(address: string, difference: number): number {
    const amount = this.of(address) + difference;
    if (amount > 0) this.#amounts.set(address, amount);
    else this.#amounts.delete(address);
    return amount;
  }
}

/** `127.0.0.1:5000` → `127.0.0.1`: all connections of one host together. */
export const hostOf = (address: string): string =>
  address.slice(0, Math.max(0, address.lastIndexOf(':')));
