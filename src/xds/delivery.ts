/**
 * One stream's conversation without its wire: what the client said goes in,
 * the responses due now come out. At most one response of a type is out at a
 * time; what changes meanwhile is merged into the next.
 */
import type { ResourceKind, ResourceSet, Snapshot } from '../snapshot/snapshot.js';
import { changesBetween, type Changes } from './changes.js';
import { pushOrder, type View } from './order.js';
import { nothingOwed, owedAfter, withOwed, type Owed } from './owed.js';
import {
  Subscription,
  type Answer,
  type Content,
  type Variant,
  type WholeWish,
  type Wish,
} from './subscription.js';

/** What a request says besides its wishes: the response it answers, and whether it was refused. */
export interface Verdict {
  readonly nonce: string;
  readonly refused: boolean;
}

/** What is to be said; it becomes a response when it gets its number. */
export interface Draft {
  readonly variant: Variant;
  readonly kind: ResourceKind;
  /** The snapshot it was taken from. */
  readonly version: string;
  readonly content: Content;
  /** Where a response replaces everything: everything. */
  readonly whole: ResourceSet | undefined;
  /** It is not what the snapshot says, because this client is held back in part. */
  readonly own: boolean;
}

export interface Response extends Draft {
  /** Grows from response to response of a stream. */
  readonly number: number;
  readonly nonce: string;
}

/** Makes a response with a number above `after`; streams that are to hear the same may share it. */
export type Numbering = (draft: Draft, after: number) => Response;

type Step = (typeof pushOrder)[number];

export class Delivery {
  readonly #subscriptions = new Map<ResourceKind, Subscription>();
  #lastNumber = 0;
  #owed: Owed = nothingOwed;
  /** What the snapshot says, and what is owed beside it. */
  #resources: Snapshot['resources'] | undefined;

  constructor(
    private readonly variant: Variant,
    private readonly numbered: Numbering,
    private snapshot: Snapshot | undefined,
  ) {
    this.#resources = snapshot?.resources;
  }

  subscription(kind: ResourceKind): Subscription | undefined {
    return this.#subscriptions.get(kind);
  }

  /** Nothing awaits an answer, and nothing waits to be sent. */
  get quiet(): boolean {
    if (!this.snapshot) return true;
    for (const { inFlight, idle } of this.#subscriptions.values())
      if (inFlight || !idle) return false;
    return true;
  }

  receive(kind: ResourceKind, wish: Wish | WholeWish, verdict: Verdict): Answer {
    const subscription = this.#subscriptions.get(kind) ?? new Subscription(kind, this.variant);
    this.#subscriptions.set(kind, subscription);
    const present = this.#resources?.[kind];
    // Whoever wishes for the whole says it again with the answer to the newest response.
    if ('names' in wish && subscription.isStale(verdict.nonce)) return { kind: 'stale' };
    const answer = verdict.refused
      ? subscription.refuse(verdict.nonce)
      : subscription.acknowledge(verdict.nonce, present);
    if ('names' in wish) subscription.replace(wish, present);
    else subscription.change(wish, present);
    if (kind === 'cluster' && this.#owed.size > 0) this.#oweNoMore();
    return answer;
  }

  /** `changes`: what differs from the snapshot published before, to this stream or to others. */
  publish(snapshot: Snapshot, changes: Changes): void {
    const news = this.snapshot ? changes : changesBetween(undefined, snapshot);
    this.snapshot = snapshot;
    this.#owe(snapshot.resources, changes);
    for (const [kind, subscription] of this.#subscriptions)
      subscription.notice(news[kind], (this.#resources ?? snapshot.resources)[kind]);
  }

  /** Everything that may be sent now; it counts as sent. Nothing until a snapshot is known. */
  responses(): readonly Response[] {
    if (!this.snapshot || !this.#resources) return [];
    const responses: Response[] = [];
    for (const step of pushOrder) {
      const subscription = this.#subscriptions.get(step.kind);
      if (!subscription || subscription.idle || subscription.inFlight) continue;
      const view: View = { subscriptions: this.#subscriptions, resources: this.#resources };
      const content = dueContent(step, subscription, view);
      if (!content) continue;
      const response = this.#response(subscription, content, this.snapshot);
      subscription.sent(response.nonce, response.content);
      this.#insistOnFollowers(step, content);
      if (step.kind === 'cluster') this.#owe(this.snapshot.resources);
      responses.push(response);
    }
    return responses;
  }

  #response(subscription: Subscription, content: Content, snapshot: Snapshot): Response {
    const { kind, whole } = subscription;
    const present = snapshot.resources[kind];
    const after = whole ? subscription.after(content) : undefined;
    // The snapshot's own set where it says the same, so that what is made of it can be shared.
    const all = after?.differences(present).length === 0 ? present : after;
    const ownWhole = all !== undefined && all !== present;
    const owed = this.#owed.get(kind);
    const own = ownWhole || (owed !== undefined && anyIn(owed, content));
    const response = this.numbered(
      {
        ...{ variant: this.variant, kind, version: snapshot.version, content },
        ...{ whole: all, own },
      },
      this.#lastNumber,
    );
    this.#lastNumber = response.number;
    return response;
  }

  #owe(next: Snapshot['resources'], changes?: Changes): void {
    const [before, owed, subscriptions] = [
      this.#resources ?? next,
      this.#owed,
      this.#subscriptions,
    ];
    this.#owed = owedAfter({ before, next, changes, owed, subscriptions });
    this.#resources = withOwed(next, this.#owed);
  }

  /** The clusters were answered: what they needed goes the way of what is gone. */
  #oweNoMore(): void {
    if (this.#subscriptions.get('cluster')?.inFlight || !this.snapshot) return;
    const owed = this.#owed;
    this.#owed = nothingOwed;
    const { resources } = this.snapshot;
    this.#resources = resources;
    for (const [kind, ofKind] of owed)
      this.#subscriptions.get(kind)?.notice([...ofKind.keys()], resources[kind]);
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
    if (subscription.allOrNothing && ready.length < batch.length) continue;
    if (ready.length > 0) return contentOf(ready, present);
  }
  return subscription.replyOwed && !anyPending ? new Map() : undefined;
}

/** The snapshot's own set where all of it is due, so that those who begin share it. */
function contentOf(names: readonly string[], present: ResourceSet): Content {
  return names.length === present.size && names.every((name) => present.has(name))
    ? present
    : new Map(names.map((name) => [name, present.get(name)]));
}

function anyIn(owed: ReadonlyMap<string, unknown>, content: Content): boolean {
  for (const name of owed.keys()) if (content.has(name)) return true;
  return false;
}

/** Conditions look at the whole stream, so they are only asked for when something is pending. */
function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
