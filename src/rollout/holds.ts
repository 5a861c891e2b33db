/**
 * Envoys that hold a rollout's next step back, told from replica to replica. Each replica knows
 * only the Envoys connected to it, so it writes those that lag into the document, where the
 * others read them; it says so again while it lasts, because what a replica said that has died
 * since must not hold a rollout back for ever.
 */
import type { Hold, Rollout } from '../fleet/rollout.js';
import type { LaggingNode } from './due.js';

/** An Envoy acknowledges a share in some ms: one that has not by then is worth a write. */
const patienceMs = 500;
const saidAgainMs = 10_000;
/** Not much longer than it takes to be said again: replicas may differ in what time it is. */
const believedMs = 30_000;

/** One is enough to hold it back, and a registry bounds its values. */
const mostSaid = 8;

type Held = Pick<Rollout, 'service' | 'held'>;

export class Holds {
  /** Service → Envoy → since when it is known to lag. */
  readonly #lagging = new Map<string, ReadonlyMap<string, number>>();

  /** `replica` is unlike any other's, also unlike that of this control plane's earlier runs. */
  constructor(private readonly replica: string) {}

  /** Who lags at other replicas. */
  elsewhere({ held = [] }: Held, now: number): readonly LaggingNode[] {
    return this.#others(held, now).map(({ node, refused }) => ({ node, refused }));
  }

  /** What the document is to say, given who lags here; undefined while it says so. */
  toSay(
    { service, held = [] }: Held,
    lagging: readonly LaggingNode[],
    now: number,
  ): readonly Hold[] | undefined {
    const before = this.#lagging.get(service);
    const since = new Map(lagging.map(({ node }) => [node, before?.get(node) ?? now]));
    this.#lagging.set(service, since);
    const said = held.filter(({ by }) => by === this.replica);
    const isLasting = ({ node, refused }: LaggingNode): boolean =>
      refused || now - (since.get(node) ?? now) >= patienceMs;
    const knownOf = ({ node, refused }: LaggingNode) =>
      said.find((each) => each.node === node && each.refused === refused);
    const lasting = lagging.filter(isLasting);
    const told = lasting.filter((each) => knownOf(each));
    const own = [...new Set([...told, ...lasting])].slice(0, mostSaid).map((each): Hold => {
      const known = knownOf(each);
      const isFresh = known && now - known.at < saidAgainMs;
      return isFresh ? known : { ...each, by: this.replica, at: now };
    });
    if (own.length === said.length && own.every((each) => said.includes(each))) return undefined;
    return [...this.#others(held, now), ...own];
  }

  forget(service: string): void {
    this.#lagging.delete(service);
  }

  #others(held: readonly Hold[], now: number): readonly Hold[] {
    return held.filter(({ by, at }) => by !== this.replica && now - at < believedMs);
  }
}
