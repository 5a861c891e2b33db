/** Calls made up from a seed: what two versions do while traffic is split between them. */
import type { JudgeLimits } from '../../../src/fleet/rollout.js';
import {
  failureKinds,
  judge,
  type LaterWindow,
  type Signals,
  type Verdict,
  type Window,
} from '../../../src/rollout/judge.js';
import { startsOf } from '../../../src/rollout/windows.js';

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

/** Calls and failures of both versions until a time. */
interface Passed {
  readonly old: readonly [calls: number, failed: number];
  readonly new: readonly [calls: number, failed: number];
}

/** Of both versions, at a time. */
export interface Rates {
  /** A second. */
  readonly calls: { readonly old: number; readonly new: number };
  readonly errors: { readonly old: number; readonly new: number };
}

const lookMs = 500;

/** A step as time goes by, looked at as often and in such windows as the loop does. */
export class Step {
  readonly #passed: Passed[] = [{ old: [0, 0], new: [0, 0] }];
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  get seconds(): number {
    return this.#now / 1_000;
  }

  get #now(): number {
    return (this.#passed.length - 1) * lookMs;
  }

  /** Until the next look. */
  pass({ calls, errors }: Rates): void {
    const last = this.#passed.at(-1)!;
    const next = (version: 'old' | 'new'): [number, number] => {
      const [before, failedBefore] = last[version];
      const came = this.#poisson((calls[version] * lookMs) / 1_000);
      let failed = 0;
      for (let call = 0; call < came; call += 1) if (this.#random() < errors[version]) failed += 1;
      return [before + came, failedBefore + failed];
    };
    this.#passed.push({ old: next('old'), new: next('new') });
  }

  later(): readonly LaterWindow[] {
    return startsOf(0, this.#now).map(({ at, price }) => ({
      ...this.#since(at),
      ...{ price, seconds: (this.#now - at) / 1_000 },
    }));
  }

  verdict(limits: JudgeLimits): Verdict {
    return judge(this.#since(0), limits, { later: this.later() });
  }

  /** Whether it would be aborted now. */
  isEnded(limits: JudgeLimits): boolean {
    const { kind } = this.verdict(limits);
    return kind === 'bad' || kind === 'disaster';
  }

  #since(at: number): Window {
    const [begin, end] = [this.#passed[at / lookMs]!, this.#passed.at(-1)!];
    const felt = (version: 'old' | 'new'): Signals => {
      const [calls, failed] = end[version];
      const [before, failedBefore] = begin[version];
      return {
        calls: calls - before,
        failures: { http: failed - failedBefore, rpc: 0, tool: 0, reset: 0, timeout: 0 },
        latency: [],
      };
    };
    return { old: felt('old'), new: felt('new') };
  }

  /** How many came where so many are to be expected (Knuth). */
  #poisson(expected: number): number {
    const least = Math.exp(-expected);
    let [came, product] = [0, this.#random()];
    while (product > least) {
      came += 1;
      product *= this.#random();
    }
    return came;
  }
}
