/**
 * One stream's conversation without its wire: what the client said goes in,
 * the responses due now come out. At most one response of a type is out at a
 * time; what changes meanwhile is merged into the next.
 */
import type { ResourceKind, Snapshot } from '../snapshot/snapshot.js';
import { changesBetween, type Changes } from './changes.js';
import { pushOrder, type View } from './order.js';
import { Subscription, type Answer, type Content, type Wish } from './subscription.js';

/** What a request says besides its wishes: the response it answers, and whether it was refused. */
export interface Verdict {
  readonly nonce: string;
  readonly refused: boolean;
}

export interface Response {
  readonly kind: ResourceKind;
  readonly nonce: string;
  /** The snapshot it was taken from. */
  readonly version: string;
  readonly content: Content;
}

type Step = (typeof pushOrder)[number];

export class Delivery {
  readonly #subscriptions = new Map<ResourceKind, Subscription>();

  constructor(
    private readonly nextNonce: () => string,
    private snapshot: Snapshot | undefined,
  ) {}

  subscription(kind: ResourceKind): Subscription | undefined {
    return this.#subscriptions.get(kind);
  }

  receive(kind: ResourceKind, wish: Wish, verdict: Verdict): Answer {
    const subscription = this.#subscriptions.get(kind) ?? new Subscription(kind);
    this.#subscriptions.set(kind, subscription);
    const answer = verdict.refused
      ? subscription.refuse(verdict.nonce)
      : subscription.acknowledge(verdict.nonce);
    subscription.change(wish, this.snapshot?.resources[kind]);
    return answer;
  }

  /** `changes`: what differs from the snapshot published before, to this stream or to others. */
  publish(snapshot: Snapshot, changes: Changes): void {
    const news = this.snapshot ? changes : changesBetween(undefined, snapshot);
    this.snapshot = snapshot;
    for (const [kind, subscription] of this.#subscriptions)
      subscription.notice(news[kind], snapshot.resources[kind]);
  }

  /** Everything that may be sent now; it counts as sent. Nothing until a snapshot is known. */
  responses(): readonly Response[] {
    if (!this.snapshot) return [];
    const { version, resources } = this.snapshot;
    const view: View = { subscriptions: this.#subscriptions, resources };
    const responses: Response[] = [];
    for (const step of pushOrder) {
      const subscription = this.#subscriptions.get(step.kind);
      if (!subscription || subscription.inFlight) continue;
      const content = dueContent(step, subscription, view);
      if (!content) continue;
      const nonce = this.nextNonce();
      subscription.sent(nonce, content);
      this.#insistOnFollowers(step, content);
      responses.push({ kind: step.kind, nonce, version, content });
    }
    return responses;
  }

  #insistOnFollowers(step: Step, content: Content): void {
    for (const resource of content.values())
      for (const { kind, name } of resource ? step.followers(resource) : [])
        this.#subscriptions.get(kind)?.insist(name);
  }
}

/** The first batch of which something may go, or an empty response where one is owed. */
function dueContent(step: Step, subscription: Subscription, view: View): Content | undefined {
  const present = view.resources[step.kind];
  const mayAdd = once(() => step.mayAdd(view));
  const mayRemove = once(() => step.mayRemove(view));
  let anyPending = false;
  for (const batch of subscription.batches(present)) {
    anyPending ||= batch.length > 0;
    const ready = batch.filter((name) => {
      if (present.has(name)) return mayAdd()(name);
      // Asked for and never had: nothing depends on hearing that it does not exist.
      return !subscription.held.has(name) || mayRemove()(name);
    });
    if (ready.length > 0) return new Map(ready.map((name) => [name, present.get(name)]));
  }
  return subscription.replyOwed && !anyPending ? new Map() : undefined;
}

/** Conditions look at the whole stream, so they are only asked for when something is pending. */
function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
