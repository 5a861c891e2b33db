/** An Envoy that cannot take some forms of a cluster, and a fleet in which each has a mark. */
import type { EncodedResources } from '../../src/snapshot/snapshot.js';
import { assignment, edsCluster, routes } from '../unit/snapshot/messages.js';
import type { WireClient } from './client.js';

/** Clusters by a mark each, so that a mark is a form. */
export const fleet = (marks: Readonly<Record<string, number>>): Partial<EncodedResources> => ({
  cluster: Object.entries(marks).map(([name, mark]) => edsCluster(name, mark)),
  endpoint: Object.keys(marks).map((name) => assignment(name)),
  route: [routes('gateway', [':x-target'])],
});

export const badMark = 66;

/**
 * Follows the clusters as an Envoy does that cannot take those with the bad
 * mark: a response with one of them is refused as a whole.
 */
export class PickyEnvoy {
  /** Cluster → mark, as it holds them. */
  readonly held = new Map<string, number>();
  refusals = 0;
  /** It reads and says nothing for now. */
  #thinking: { readonly over: Promise<void>; readonly end: () => void } | undefined;

  constructor(
    private readonly client: WireClient,
    readonly id: string,
    private readonly dislikes = (mark: number): boolean => mark === badMark,
  ) {}

  think(): void {
    let end = () => {};
    const over = new Promise<void>((resolve) => (end = resolve));
    this.#thinking = { over, end };
  }

  answer(): void {
    this.#thinking?.end();
    this.#thinking = undefined;
  }

  leave(): void {
    this.client.close();
  }

  start(): this {
    this.client.begin('cluster', {}, this.id);
    void this.#follow();
    return this;
  }

  async #follow(): Promise<never> {
    for (;;) {
      const response = await this.client.next();
      await this.#thinking?.over;
      const clusters = (response.resources ?? []).map(({ name = '', resource }) => {
        const { connect_timeout } = resource as unknown as { connect_timeout: { seconds: number } };
        return [name, connect_timeout.seconds - 1] as const;
      });
      if (clusters.some(([, mark]) => this.dislikes(mark))) {
        this.refusals += 1;
        this.client.refuse(response, 'no such extension');
        continue;
      }
      for (const [name, mark] of clusters) this.held.set(name, mark);
      for (const name of response.removed_resources ?? []) this.held.delete(name);
      this.client.acknowledge(response);
    }
  }

  get all(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.held);
  }
}
