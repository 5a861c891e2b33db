/** Calls made up from a seed: what two versions do while traffic is split between them. */
import { failureKinds, type Signals, type Window } from '../../../src/rollout/judge.js';

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How a version behaves: its latency is log-normal. */
export interface Behaviour {
  readonly errors: number;
  readonly medianMs: number;
  /** Of the logarithm: 0.5 puts the p99 at 3.2 times the median. */
  readonly spread: number;
}

export const healthy: Behaviour = { errors: 0.005, medianMs: 30, spread: 0.5 };

/** Upper bounds in ms, half as much again each. */
const bounds = [...Array.from({ length: 24 }, (_, index) => 1.5 ** index), Infinity];

class Version {
  #calls = 0;
  readonly #failures = failureKinds.map(() => 0);
  readonly #latency = bounds.map(() => 0);

  call({ errors, medianMs, spread }: Behaviour, random: () => number): void {
    const kind = this.#calls % failureKinds.length;
    this.#calls += 1;
    if (random() < errors) this.#failures[kind]! += 1;
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const ms = medianMs * Math.exp(spread * normal);
    this.#latency[bounds.findIndex((bound) => ms <= bound)]! += 1;
  }

  signals(): Signals {
    const failures = Object.fromEntries(
      failureKinds.map((kind, index) => [kind, this.#failures[index]!]),
    ) as Signals['failures'];
    const latency = bounds.map((upTo, index) => ({ upTo, calls: this.#latency[index]! }));
    return { calls: this.#calls, failures, latency };
  }
}

/** A step: each call goes to the new version with the chance `share`. */
export class Traffic {
  readonly #old = new Version();
  readonly #new = new Version();
  readonly #share: number;
  readonly #random: () => number;

  constructor(share: number, random: () => number) {
    this.#share = share;
    this.#random = random;
  }

  carry(calls: number, old: Behaviour, next: Behaviour): Window {
    for (let call = 0; call < calls; call += 1)
      if (this.#random() < this.#share) this.#new.call(next, this.#random);
      else this.#old.call(old, this.#random);
    return { old: this.#old.signals(), new: this.#new.signals() };
  }
}
