/**
 * A client that may wish for anything, change its mind, refuse, repeat itself
 * and come back, and that answers when it likes: the protocol to its letter,
 * where `proxy.ts` is Envoy's own way of it. With every response it checks
 * what must hold whatever was said before.
 */
import { expect } from 'chai';
import { referencesOf } from '../../../src/snapshot/references.js';
import {
  resourceKinds,
  type Resource,
  type ResourceKind,
  type Snapshot,
} from '../../../src/snapshot/snapshot.js';
import { changesBetween } from '../../../src/xds/changes.js';
import { Delivery, type Response } from '../../../src/xds/delivery.js';
import { sharedNumbering } from '../../../src/xds/response.js';
import type { Content, Variant, Wish } from '../../../src/xds/subscription.js';
import { noVerdict, noWish, perKind } from './proxy.js';

export const everything = '*';

/** What is said about one type. */
class Talk {
  readonly held = new Map<string, Resource>();
  /** What it wishes for, and what of that it has told: the same unless a response waits. */
  readonly wishes = new Set<string>();
  told: ReadonlySet<string> = new Set();
  /** Asked for, or asked for again, and not sent since. */
  readonly asked = new Set<string>();
  /** What it refused by itself on this stream, by version; undefined: its removal. */
  readonly refused = new Map<string, string | undefined>();
  /** Not answered yet. */
  response: Response | undefined;
  nonce = '';
  olderNonce = '';
  begun = false;
  /** From then on, naming none means wishing for nothing. */
  everNamed = false;
  /** The state of the world does not know what a client holds that comes back. */
  holdsUnknown = false;
  /** Held since an earlier stream in a form that this one does not know. */
  readonly unknown = new Set<string>();

  constructor(readonly kind: ResourceKind) {}

  /** Of clusters and listeners, whoever names none takes all. */
  get takesAllByDefault(): boolean {
    return this.kind === 'cluster' || this.kind === 'listener';
  }

  /** The wishes in words. */
  get names(): readonly string[] {
    const silently = this.takesAllByDefault && !this.everNamed && this.wishes.size === 1;
    return silently && this.wishes.has(everything) ? [] : [...this.wishes];
  }

  get mayBeRefused(): readonly string[] {
    return [...(this.response?.content.keys() ?? [])].filter((name) => has(this.told, name));
  }

  dropUnwanted(): void {
    for (const names of [this.held, this.refused, this.asked])
      for (const name of names.keys()) if (!has(this.wishes, name)) names.delete(name);
  }

  /** What is asked for anew is sent though it was refused. */
  tell(asked: Iterable<string>, present: Iterable<string>): void {
    for (const name of asked)
      for (const each of name === everything ? present : [name]) {
        this.refused.delete(each);
        this.asked.add(each);
      }
    this.told = new Set(this.wishes);
    this.begun = true;
    this.everNamed ||= this.names.length > 0;
  }

  leave(): void {
    this.response = undefined;
    [this.nonce, this.olderNonce] = ['', ''];
    [this.begun, this.everNamed] = [false, false];
    this.told = new Set();
    this.dropUnwanted();
    this.refused.clear();
    this.asked.clear();
  }
}

const has = (wishes: ReadonlySet<string>, name: string) =>
  wishes.has(everything) || wishes.has(name);

export class WishingClient {
  readonly #talks = perKind((kind) => new Talk(kind));
  readonly #numbered = sharedNumbering();
  readonly #nonces = new Set<string>();
  #snapshot: Snapshot | undefined;
  #delivery: Delivery;

  constructor(private readonly variant: Variant) {
    this.#delivery = this.#connected();
  }

  get held(): Readonly<Record<ResourceKind, ReadonlyMap<string, Resource>>> {
    return perKind((kind) => this.#talks[kind].held);
  }

  publish(snapshot: Snapshot): void {
    const changes = changesBetween(this.#snapshot, snapshot);
    this.#snapshot = snapshot;
    for (const kind of resourceKinds)
      for (const name of this.#talks[kind].asked)
        if (!snapshot.resources[kind].has(name)) this.#talks[kind].asked.delete(name);
    this.#delivery.publish(snapshot, changes);
    this.#take();
  }

  subscribe(kind: ResourceKind, names: readonly string[]): void {
    const talk = this.#talks[kind];
    for (const name of names) talk.wishes.add(name);
    this.#wish(talk, { ...noWish, subscribe: names });
  }

  unsubscribe(kind: ResourceKind, names: readonly string[]): void {
    const talk = this.#talks[kind];
    if (!talk.begun) return;
    for (const name of names) {
      // Whoever takes all without a word has no word for the contrary either.
      const isSilent = this.variant === 'state of the world' && !talk.everNamed;
      if (name !== everything || !isSilent) talk.wishes.delete(name);
    }
    if (this.variant === 'incremental') for (const name of names) talk.refused.delete(name);
    this.#wish(talk, { ...noWish, unsubscribe: names });
  }

  acknowledge(kind: ResourceKind): void {
    const talk = this.#talks[kind];
    if (!talk.response) return;
    for (const [name, resource] of this.#meaning(talk.response)) {
      if (!resource) talk.held.delete(name);
      else if (has(talk.wishes, name)) talk.held.set(name, resource);
      if (talk.refused.get(name) === resource?.version) talk.refused.delete(name);
      talk.unknown.delete(name);
    }
    talk.holdsUnknown = false;
    this.#answer(talk, talk.response, false);
  }

  refuse(kind: ResourceKind): void {
    const talk = this.#talks[kind];
    if (!talk.response) return;
    const [name, ...others] = talk.mayBeRefused;
    if (name !== undefined && others.length === 0)
      talk.refused.set(name, talk.response.content.get(name)?.version);
    this.#answer(talk, talk.response, true);
  }

  /** Answers what is no longer, or never was, the last response. */
  answerLate(kind: ResourceKind): void {
    const { begun, nonce, olderNonce, response } = this.#talks[kind];
    if (!begun || (nonce === '' && !response)) return;
    const wish =
      this.variant === 'incremental' ? noWish : { names: ['another wish'], returning: false };
    for (const late of [olderNonce, 'never sent'].filter((each) => each !== ''))
      for (const refused of [false, true]) {
        const answer = this.#delivery.receive(kind, wish, { nonce: late, refused });
        expect(answer.kind).to.equal('stale');
      }
    this.#take();
  }

  reconnect(): void {
    for (const kind of resourceKinds) this.#talks[kind].leave();
    this.#nonces.clear();
    this.#delivery = this.#connected();
    // An Envoy that comes back names all its types before it is answered.
    for (const kind of resourceKinds) {
      const talk = this.#talks[kind];
      if (talk.wishes.size === 0) continue;
      const { names } = talk;
      const versions = [...talk.held.values()].map(({ name, version }) => [name, version] as const);
      const wish =
        this.variant === 'incremental'
          ? { subscribe: names, unsubscribe: [], held: new Map(versions) }
          : { names, returning: versions.length > 0 };
      talk.holdsUnknown = this.variant === 'state of the world' && versions.length > 0;
      talk.unknown.clear();
      const present = this.#snapshot?.resources[kind];
      for (const [name, version] of versions)
        if (talk.holdsUnknown || present?.get(name)?.version !== version) talk.unknown.add(name);
      talk.tell([], []);
      this.#delivery.receive(kind, wish, noVerdict);
    }
    this.#take();
  }

  /** Acknowledges until nothing comes any more. */
  settle(): void {
    const waits = () => resourceKinds.filter((kind) => this.#talks[kind].response);
    for (let round = 0; waits().length > 0; round++) {
      expect(round, 'rounds until quiet').to.be.lessThan(200);
      for (const kind of waits()) this.acknowledge(kind);
    }
  }

  /** Of what it wishes for and has not refused, what was not sent, or not in this form. */
  lacks(kind: ResourceKind): readonly string[] {
    const { wishes, held, refused, asked } = this.#talks[kind];
    const present = [...(this.#snapshot?.resources[kind].values() ?? [])];
    return present
      .filter(({ name }) => has(wishes, name))
      .filter(({ name, version }) => asked.has(name) || held.get(name)?.version !== version)
      .filter(({ name, version }) => !refused.has(name) || refused.get(name) !== version)
      .map(({ name }) => name);
  }

  #connected = (): Delivery => new Delivery(this.variant, this.#numbered, this.#snapshot);

  #wish(talk: Talk, wish: Wish): void {
    // The whole is wished for with the last nonce: while a response waits, with its answer.
    if (this.variant === 'state of the world' && talk.response) return;
    talk.dropUnwanted();
    if (this.variant === 'incremental') {
      talk.tell(wish.subscribe, this.#namesOf(talk.kind));
      this.#delivery.receive(talk.kind, wish, noVerdict);
    } else this.#tellWhole(talk, false);
    this.#take();
  }

  #answer(talk: Talk, { nonce }: Response, refused: boolean): void {
    talk.response = undefined;
    [talk.olderNonce, talk.nonce] = [talk.nonce, nonce];
    talk.dropUnwanted();
    if (this.variant === 'incremental')
      this.#delivery.receive(talk.kind, noWish, { nonce, refused });
    else this.#tellWhole(talk, refused);
    this.#take();
  }

  #tellWhole(talk: Talk, refused: boolean): void {
    const { kind, names, told, wishes, nonce } = talk;
    const asked = [...wishes].filter((name) => !told.has(name));
    talk.tell(asked, this.#namesOf(kind));
    this.#delivery.receive(kind, { names, returning: false }, { nonce, refused });
  }

  #namesOf(kind: ResourceKind): readonly string[] {
    return [...(this.#snapshot?.resources[kind].keys() ?? [])];
  }

  /** What a response changes: of a whole one, also what it leaves out. */
  #meaning({ kind, content, whole }: Response): Content {
    if (!whole) return content;
    const gone = [...this.#talks[kind].held.keys()].filter((name) => !whole.has(name));
    return new Map([...whole, ...gone.map((name) => [name, undefined] as const)]);
  }

  #take(): void {
    for (const response of this.#delivery.responses()) {
      const { kind, nonce, content } = response;
      const talk = this.#talks[kind];
      expect(talk.response, `one ${kind} response at a time`).to.equal(undefined);
      expect(this.#nonces.has(nonce), `nonce ${nonce} is new`).to.equal(false);
      this.#nonces.add(nonce);
      for (const [name, resource] of content) {
        const present = this.#snapshot?.resources[kind].get(name);
        const again = talk.refused.has(name) && talk.refused.get(name) === resource?.version;
        if (present === resource) expect(again, `${kind} ${name} was refused`).to.equal(false);
        talk.asked.delete(name);
        if (resource) this.#checkAddition(kind, resource);
      }
      for (const [name, resource] of this.#meaning(response))
        if (!resource) this.#checkRemoval(kind, name);
      talk.response = response;
    }
  }

  /** Whoever does not take all clusters asks for them after it has seen who names them. */
  #checkAddition(kind: ResourceKind, resource: Resource): void {
    const { cluster, endpoint, secret } = this.#talks;
    if ((kind !== 'listener' && kind !== 'route') || !cluster.told.has(everything)) return;
    for (const name of referencesOf(kind, resource).clusters) {
      const held = cluster.held.get(name);
      if (!held) throw new Error(`${kind} ${resource.name} came before cluster ${name}`);
      const leaving = cluster.response?.content;
      const stays = leaving?.has(name) !== true || leaving.get(name) !== undefined;
      expect(stays, `cluster ${name} of ${kind} ${resource.name} stays`).to.equal(true);
      // Envoy holds what is warm, whatever it needed to become so.
      if (cluster.unknown.has(name)) continue;
      const { assignment, secrets } = referencesOf('cluster', held);
      if (assignment !== undefined)
        expect(endpoint.held.has(assignment), `endpoints of ${name}`).to.equal(true);
      for (const each of secrets)
        expect(secret.held.has(each), `secret ${each} of ${name}`).to.equal(true);
    }
  }

  #checkRemoval(kind: ResourceKind, name: string): void {
    const { held, holdsUnknown } = this.#talks[kind];
    if (!held.has(name) || holdsUnknown) return;
    expect(this.#snapshot?.resources[kind].has(name), `${kind} ${name} is there`).to.equal(false);
    for (const other of namers[kind] ?? [])
      for (const resource of [...this.#known(other), ...this.#inFlight(other)]) {
        const { clusters, secrets } = referencesOf(other, resource);
        const named = kind === 'cluster' ? clusters : secrets;
        expect(named, `what ${other} ${resource.name} names stays`).not.to.include(name);
      }
  }

  /**
   * What is known of what it holds. The state of the world tells nothing of what a client
   * brings along, so what that names may go before the client has heard of it anew.
   */
  #known(kind: ResourceKind): Resource[] {
    const { held, unknown } = this.#talks[kind];
    const isKnown = ({ name }: Resource) => this.variant === 'incremental' || !unknown.has(name);
    return [...held.values()].filter(isKnown);
  }

  #inFlight(kind: ResourceKind): Resource[] {
    const content = [...(this.#talks[kind].response?.content.values() ?? [])];
    return content.filter((resource) => resource !== undefined);
  }
}

/** Who names what may be removed. */
const namers: Partial<Record<ResourceKind, readonly ResourceKind[]>> = {
  cluster: ['listener', 'route'],
  secret: ['cluster', 'listener'],
};
