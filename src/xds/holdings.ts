/**
 * What one stream's client holds, as the admin API shows it. Counted out only
 * when somebody looks: an acknowledgement must not pay for a page nobody reads.
 */
import {
  resourceKinds,
  type Resource,
  type ResourceKind,
  type Snapshot,
} from '../snapshot/snapshot.js';
import type { Delivery, Response } from './delivery.js';
import type { Held, KindStatus, NodeKinds } from './nodes.js';
import type { Form } from './refusals.js';

/** A type's last response: the snapshot it was taken from, and the time until it is answered. */
interface Sent {
  readonly version: string;
  awaitedSince: number | undefined;
  overdue: boolean;
}

/** Whatever an Envoy asks for by name, it has learnt from these. */
const leadingTo: Readonly<Record<ResourceKind, readonly ResourceKind[]>> = {
  cluster: [],
  listener: [],
  endpoint: ['cluster'],
  route: ['listener'],
  secret: ['cluster', 'listener'],
};

export class Holdings implements Held {
  readonly #sent = new Map<ResourceKind, Sent>();
  readonly #acknowledged = new Map<ResourceKind, string>();
  #behindSince: number | undefined;

  constructor(
    private readonly delivery: Delivery,
    public present: Snapshot | undefined,
  ) {}

  sent({ kind, version }: Response, at: number): void {
    this.#sent.set(kind, { version, awaitedSince: at, overdue: false });
  }

  answered(kind: ResourceKind, answer: 'acknowledged' | 'refused'): void {
    const sent = this.#sent.get(kind);
    if (!sent) return;
    sent.awaitedSince = undefined;
    sent.overdue = false;
    if (answer === 'acknowledged') this.#acknowledged.set(kind, sent.version);
  }

  /** The types whose response was sent before `since` and not answered; each is told once. */
  fallOverdue(since: number): readonly ResourceKind[] {
    const fallen: ResourceKind[] = [];
    for (const [kind, sent] of this.#sent) {
      if (sent.overdue || sent.awaitedSince === undefined || sent.awaitedSince > since) continue;
      sent.overdue = true;
      fallen.push(kind);
    }
    return fallen;
  }

  /** Called when all was sent that may be: does the client hold it? Tells whether that is new. */
  lag(isBehind: boolean, now: number): boolean {
    if (isBehind === (this.#behindSince !== undefined)) return false;
    this.#behindSince = isBehind ? now : undefined;
    return true;
  }

  get behindSince(): number | undefined {
    return this.#behindSince;
  }

  get count(): number {
    const sizes = resourceKinds.map((kind) => this.delivery.subscription(kind)?.held.size ?? 0);
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  resource(kind: ResourceKind, name: string): Resource | undefined {
    return this.delivery.subscription(kind)?.held.get(name);
  }

  awaits(kind: ResourceKind, { name, version }: Form): boolean {
    for (const { overdue } of this.#sent.values()) if (overdue) return false;
    const subscription = this.delivery.subscription(kind);
    if (subscription?.inFlight?.get(name)?.version === version) return true;
    const present = this.present?.resources[kind];
    if (present?.get(name)?.version !== version) return false;
    if (subscription?.wants(name)) return subscription.isPending(name, present);
    // It asks when it has what leads there.
    return leadingTo[kind].some((leader) => {
      return this.delivery.subscription(leader)?.settled === false;
    });
  }

  kinds(): NodeKinds {
    const statuses = resourceKinds.flatMap((kind) => {
      const status = this.#status(kind);
      return status ? [[kind, status] as const] : [];
    });
    return Object.fromEntries(statuses);
  }

  #status(kind: ResourceKind): KindStatus | undefined {
    const subscription = this.delivery.subscription(kind);
    if (!subscription) return undefined;
    const present = this.present?.resources[kind];
    return {
      acknowledged: this.#acknowledged.get(kind),
      held: subscription.held.size,
      wildcard: subscription.wildcard,
      inFlight: subscription.inFlight !== undefined,
      overdue: this.#sent.get(kind)?.overdue ?? false,
      settled: subscription.settled,
      refused: present ? subscription.refused(present) : [],
    };
  }
}
