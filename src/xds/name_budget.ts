/**
 * How much the names that clients ask for may take together. A limit of each
 * subscription alone would be multiplied by its types, the streams of a node,
 * and the nodes of an address.
 */
import type { Limits } from './limits.js';
import { hostOf, Tally } from './tally.js';

/** What one stream takes of it. */
export interface NameShare {
  /** Gives what speaks against it, and what to do. */
  change(difference: number): string | undefined;
  /** The stream is gone. */
  end(): void;
}

export class NameBudget {
  readonly #perAddress = new Tally();

  constructor(private readonly limits: Limits) {}

  shareOf(address: string): NameShare {
    const host = hostOf(address);
    let mine = 0;
    const add = (difference: number): number => {
      mine += difference;
      return this.#perAddress.add(host, difference);
    };
    return {
      change: (difference) => {
        // Every acknowledgement comes by here.
        return difference === 0 ? undefined : this.#complaint(host, add(difference), mine);
      },
      end: () => void add(-mine),
    };
  }

  #complaint(host: string, ofAddress: number, ofStream: number): string | undefined {
    const { nameBytesPerAddress, nameBytesPerStream } = this.limits;
    if (ofStream > nameBytesPerStream)
      return `a stream may name ${nameBytesPerStream} bytes, and this one names ${ofStream}`;
    if (ofAddress > nameBytesPerAddress)
      return (
        `the streams of ${host} may name ${nameBytesPerAddress} bytes, and name ${ofAddress}: ` +
        'look who asks for names that nothing has, or raise xds.limits.nameBytesPerAddress'
      );
    return undefined;
  }
}
