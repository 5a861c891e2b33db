/**
 * What one stream wants of one resource type, and what it holds of it: the
 * protocol's state, without a socket, a file or a clock. Its sets only ever
 * hold names that may differ between Envoy and the snapshot, so the cost of a
 * change follows what changed.
 */
import { PersistentMap } from '../persistent_map.js';
import type { Resource, ResourceKind, ResourceSet } from '../snapshot/snapshot.js';
import { inStep } from './in_step.js';
import { bytesOf, each, everything, Names } from './names.js';

/** Does a response say what changed, or (of clusters and listeners) all there is? */
export type Variant = 'incremental' | 'state of the world';

/** How the wishes of a client change. */
export interface Wish {
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** What the client holds from an earlier stream: name → version. First request only. */
  readonly held: ReadonlyMap<string, string>;
}

/** All that a client of the state of the world wishes. */
export interface WholeWish {
  readonly names: readonly string[];
  /** It holds something of an earlier stream, without saying what. First request only. */
  readonly returning: boolean;
}

/** One response: each name with what it is now, or undefined where it is gone. */
export type Content = ReadonlyMap<string, Resource | undefined>;

export type Answer =
  | { readonly kind: 'acknowledged' | 'refused'; readonly content: Content }
  | { readonly kind: 'stale' };

const nothingHeld: Wish['held'] = new Map();
const noResources: ResourceSet = PersistentMap.of();

/** Envoy asks for all clusters and all listeners by naming none; other types are asked by name. */
const wildcardByDefault: ReadonlySet<ResourceKind> = new Set(['cluster', 'listener']);

export class Subscription {
  #wildcard = false;
  #begun = false;
  /** Was anything ever named? From then on an empty list means nothing. */
  #everNamed = false;
  /** The client holds what we do not know, and would delete what a whole response leaves out. */
  #holdsUnknown = false;
  #lastNonce: string | undefined;
  readonly #names = new Names();
  /** What the client has acknowledged. */
  #held = noResources;
  /** What it takes to remember what was brought along, until that is what all hold. */
  #broughtBytes = 0;
  /** Of those, the ones brought along with a content that was not known here. */
  readonly #unknown = new Set<string>();
  /** Names whose state at the client may differ from the snapshot. */
  readonly #due = new Set<string>();
  /** Of those, the ones to send whatever the client holds. */
  readonly #insisted = new Set<string>();
  /** What was refused by itself, by the version refused (undefined: its removal). */
  readonly #refused = new Map<string, string | undefined>();
  /** Which part of a refused response a name is in; each part is tried by itself. */
  readonly #partOf = new Map<string, number>();
  #lastPart = 0;
  #inFlight: { readonly nonce: string; readonly content: Content } | undefined;
  #replyOwed = false;

  constructor(
    readonly kind: ResourceKind,
    private readonly variant: Variant = 'incremental',
  ) {}

  /** Does every response carry all that the client is to hold? */
  get whole(): boolean {
    return this.variant === 'state of the world' && wildcardByDefault.has(this.kind);
  }

  /** Must a response bring everything, because it replaces what nobody here knows? */
  get allOrNothing(): boolean {
    return this.whole && this.#holdsUnknown;
  }

  /** May it hold what nobody here knows, until a response to come has replaced that? */
  mayHoldMore(present: ResourceSet): boolean {
    if (!this.#holdsUnknown) return false;
    return this.#wildcard || [...this.#names.all()].some((name) => present.has(name));
  }

  /** All that the client holds once it has taken `content`. */
  after(content: Content): ResourceSet {
    // Everything there is, to a client that has nothing: that is what it has then.
    if (this.#held.size === 0 && content instanceof PersistentMap) return content as ResourceSet;
    return inStep(this.#held, content, () => this.#held.with(content));
  }

  get wildcard(): boolean {
    return this.#wildcard;
  }

  get held(): ResourceSet {
    return this.#held;
  }

  get inFlight(): Content | undefined {
    return this.#inFlight?.content;
  }

  /** The client holds what the snapshot says, and has said so. */
  get settled(): boolean {
    return this.#due.size === 0 && this.#inFlight === undefined && !this.#replyOwed;
  }

  /** There is nothing that might have to be said. */
  get idle(): boolean {
    return this.#due.size === 0 && !this.#replyOwed;
  }

  /** Names whose present bytes this client has refused. */
  refused(present: ResourceSet): readonly string[] {
    return [...this.#refused.keys()].filter((name) =>
      this.hasRefused(name, present.get(name)?.version),
    );
  }

  /** Without a version: its removal. */
  hasRefused(name: string, version: string | undefined): boolean {
    return this.#refused.has(name) && this.#refused.get(name) === version;
  }

  /** How many names were asked for one by one. */
  get named(): number {
    return this.#names.size;
  }

  /** What it takes to remember what only this client speaks of. */
  get nameBytes(): number {
    return this.#names.bytes + this.#broughtBytes;
  }

  wants(name: string): boolean {
    return this.#wildcard || this.#names.has(name);
  }

  names(name: string): boolean {
    return this.#names.has(name);
  }

  /** Does a request with this nonce answer an older response than the last? */
  isStale(nonce: string): boolean {
    return nonce !== '' && this.#lastNonce !== undefined && nonce !== this.#lastNonce;
  }

  /** The state of the world is wished for as a whole; what counts is how that differs. */
  replace({ names, returning }: WholeWish, present: ResourceSet | undefined): void {
    if (!this.#begun) this.#holdsUnknown = returning;
    const wanted = new Set(names);
    const takesAll =
      wanted.delete(everything) ||
      (names.length === 0 && !this.#everNamed && wildcardByDefault.has(this.kind));
    const subscribe = [...wanted].filter((name) => !this.#names.has(name));
    const unsubscribe = [...this.#names.all()].filter((name) => !wanted.has(name));
    if (takesAll && !this.#wildcard) subscribe.push(everything);
    if (!takesAll && this.#wildcard) unsubscribe.push(everything);
    this.#everNamed ||= names.length > 0;
    this.change({ subscribe, unsubscribe, held: nothingHeld }, present);
  }

  /** Incremental wishes count whatever the nonce of the request that brings them. */
  change(wish: Wish, present: ResourceSet | undefined): void {
    const first = !this.#begun;
    this.#begun = true;
    const held = first ? wish.held : nothingHeld;
    if (first && wish.subscribe.length === 0 && wildcardByDefault.has(this.kind))
      this.#subscribeAll(held, present);
    if (wish.subscribe.length > 0) this.#names.add(wish.subscribe);
    for (const name of wish.subscribe)
      if (name === everything) this.#subscribeAll(held, present);
      else if (!held.has(name)) this.#insistByClient(name);
    if (held.size > 0) this.#takeOver(held, present);
    if (wish.unsubscribe.length > 0) this.#unsubscribe(wish.unsubscribe);
  }

  /** These resources are not what they were; called once for every change of the snapshot. */
  notice(names: readonly string[], present: ResourceSet): void {
    for (const name of names) if (this.wants(name)) this.#due.add(name);
    if (this.#unknown.size > 0) this.#recognise(names, present);
  }

  /** Send it again after what it belongs to, which the client now prepares anew. */
  insist(name: string): void {
    if (!this.#names.has(name)) return;
    this.#due.add(name);
    this.#insisted.add(name);
  }

  /**
   * The names to send, in batches of which one may go at a time: first the
   * parts of refused responses, then everything else.
   */
  batches(present: ResourceSet): readonly (readonly string[])[] {
    if (this.#partOf.size === 0) return [this.pending(present)];
    const parts = new Map<number, string[]>();
    const rest: string[] = [];
    for (const name of this.pending(present)) {
      const part = this.#partOf.get(name);
      const batch = part === undefined ? rest : (parts.get(part) ?? []);
      batch.push(name);
      if (part !== undefined) parts.set(part, batch);
    }
    return [...parts.values(), rest];
  }

  /** The names with news that the client has not been sent. */
  pending(present: ResourceSet): readonly string[] {
    if (this.#due.size === 0) return [];
    return [...this.#due].filter((name) => this.isPending(name, present));
  }

  isPending(name: string, present: ResourceSet): boolean {
    if (!this.#due.has(name)) return false;
    const isWanted = this.#insisted.has(name) || !this.#isTold(name, present);
    if (!isWanted || this.#goesUntold(name, present)) {
      this.#due.delete(name);
      this.#insisted.delete(name);
      return false;
    }
    return !this.hasRefused(name, present.get(name)?.version);
  }

  /** Must a response be sent even when it carries nothing? */
  get replyOwed(): boolean {
    return this.#replyOwed;
  }

  sent(nonce: string, content: Content): void {
    this.#inFlight = { nonce, content };
    this.#lastNonce = nonce;
    this.#replyOwed = false;
    for (const name of content.keys()) {
      this.#due.delete(name);
      this.#insisted.delete(name);
    }
  }

  acknowledge(nonce: string, present?: ResourceSet): Answer {
    const content = this.#land(nonce);
    if (!content) return { kind: 'stale' };
    this.#holdsUnknown = false;
    for (const name of this.#unknown.size > 0 ? content.keys() : []) this.#unknown.delete(name);
    const unwanted = this.#wildcard ? [] : [...content.keys()].filter((name) => !this.wants(name));
    if (present && unwanted.length === 0 && this.#hasCaughtUp(content, present)) {
      this.#held = present;
      this.#broughtBytes = 0;
    } else if (unwanted.length === 0) this.#held = this.after(content);
    else this.#held = this.#held.with([...content].filter(([name]) => this.wants(name)));
    if (this.#refused.size > 0 || this.#partOf.size > 0) this.#mend(content);
    return { kind: 'acknowledged', content };
  }

  /**
   * Nothing of a refused response counts as held. A response of one is not
   * sent again until its bytes differ. A response of several is tried again
   * in halves, so that one bad resource does not keep back the others.
   */
  refuse(nonce: string): Answer {
    const content = this.#land(nonce);
    if (!content) return { kind: 'stale' };
    const names = [...content.keys()].filter((name) => this.wants(name));
    for (const name of names) this.#due.add(name);
    if (names.length > 1) this.#halve(names);
    else for (const name of names) this.#refused.set(name, content.get(name)?.version);
    return { kind: 'refused', content };
  }

  /** Then it holds what the snapshot says, and shares it with all who do: nothing is copied. */
  #hasCaughtUp(content: Content, present: ResourceSet): boolean {
    const tellsOfAll = this.variant === 'incremental' || this.whole;
    if (!tellsOfAll || this.#due.size > 0 || this.#unknown.size > 0) return false;
    let size = this.#held.size;
    for (const [name, resource] of content)
      size += Number(resource !== undefined) - Number(this.#held.has(name));
    return size === present.size;
  }

  #mend(content: Content): void {
    for (const [name, resource] of content) {
      if (this.#refused.get(name) === resource?.version) this.#refused.delete(name);
      this.#partOf.delete(name);
    }
  }

  #halve(names: readonly string[]): void {
    const [first, second] = [++this.#lastPart, ++this.#lastPart];
    const half = names.length / 2;
    for (const [index, name] of names.entries())
      this.#partOf.set(name, index < half ? first : second);
  }

  #land(nonce: string): Content | undefined {
    if (this.#inFlight?.nonce !== nonce) return undefined;
    const { content } = this.#inFlight;
    this.#inFlight = undefined;
    return content;
  }

  #subscribeAll(held: Wish['held'], present: ResourceSet | undefined): void {
    this.#wildcard = true;
    // A client that came back with what it held has had its first reply already.
    this.#replyOwed ||= held.size === 0;
    for (const name of present?.keys() ?? []) if (!held.has(name)) this.#insistByClient(name);
  }

  #insistByClient(name: string): void {
    this.#refused.delete(name);
    this.#due.add(name);
    this.#insisted.add(name);
  }

  /** All at once, here and below: one by one each would copy a map. */
  #unsubscribe(unsubscribe: readonly string[]): void {
    const removed = this.#names.remove(unsubscribe);
    const leavesAll = unsubscribe.includes(everything);
    if (leavesAll) {
      this.#wildcard = false;
      this.#replyOwed = false;
      const known = [...this.#held.keys(), ...this.#due].filter((name) => !this.#names.has(name));
      this.#forget([...removed, ...known]);
    } else if (!this.#wildcard) this.#forget(removed);
    else if (this.variant === 'incremental')
      // Under the wildcard the client must hear whether it still has it.
      for (const name of removed) this.#insistByClient(name);
  }

  #forget(names: readonly string[]): void {
    if (names.length > 0) this.#held = this.#held.with(each(names, undefined));
    if (this.#held.size === 0) this.#broughtBytes = 0;
    for (const known of [this.#unknown, this.#due, this.#insisted, this.#refused, this.#partOf])
      for (const name of names) known.delete(name);
  }

  /** What the client held on an earlier stream, perhaps with another replica. */
  #takeOver(held: Wish['held'], present: ResourceSet | undefined): void {
    const wantsAll = present && (this.#wildcard || this.#names.areThoseOf(present));
    const all = wantsAll === true && present.size === held.size;
    if (all && [...held].every(([name, version]) => present.get(name)?.version === version)) {
      this.#held = present;
      return;
    }
    const taken: [string, Resource][] = [];
    for (const [name, version] of held) {
      if (!this.wants(name)) continue;
      this.#broughtBytes += bytesOf(name) + bytesOf(version);
      const resource = present?.get(name);
      if (resource?.version === version) taken.push([name, resource]);
      else {
        taken.push([name, { name, version, bytes: unknownBytes }]);
        this.#unknown.add(name);
        this.#due.add(name);
      }
    }
    this.#held = this.#held.with(taken);
  }

  /** What the client brought along becomes known once its version is found. */
  #recognise(names: readonly string[], present: ResourceSet): void {
    const found = names.flatMap((name): Resource[] => {
      const [resource, held] = [present.get(name), this.#held.get(name)];
      if (held && !isUnknown(held)) this.#unknown.delete(name);
      return this.#unknown.has(name) && resource && resource.version === held?.version
        ? [resource]
        : [];
    });
    this.#held = this.#held.with(found.map((resource) => [resource.name, resource]));
  }

  /** Has the client been told this state? What is in flight counts as told. */
  #isTold(name: string, present: ResourceSet): boolean {
    const inFlight = this.#inFlight?.content;
    const told = inFlight?.has(name) === true ? inFlight.get(name) : this.#held.get(name);
    return present.get(name)?.version === told?.version;
  }

  /** The state of the world has no word for an assignment or a route that is gone. */
  #goesUntold(name: string, present: ResourceSet): boolean {
    return this.variant === 'state of the world' && !this.whole && !present.has(name);
  }
}

const unknownBytes = Buffer.alloc(0);

/** Held by the client since an earlier stream, with a content that is not known here. */
export const isUnknown = ({ bytes }: Resource): boolean => bytes === unknownBytes;
