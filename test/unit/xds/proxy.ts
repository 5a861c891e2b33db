/**
 * A proxy as Envoy is one, in memory: it takes all clusters and listeners,
 * asks for the endpoints and routes these name, and checks with every
 * response that nothing comes before what it leads to. Clusters are
 * acknowledged when they are warm: when what they name came after them.
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
import type { Content, Variant } from '../../../src/xds/subscription.js';

export const noWish = { subscribe: [], unsubscribe: [], held: new Map<string, string>() };
export const noVerdict = { nonce: '', refused: false };

const namingSecrets = ['cluster', 'listener'] as const;

export class Proxy {
  readonly held = perKind(() => new Map<string, Resource>());
  readonly asked = perKind(() => new Set<string>());
  readonly waiting = new Map<ResourceKind, Response>();
  /** Everything that came, in order. */
  readonly received: Response[] = [];
  readonly #numbered = sharedNumbering();
  readonly #nonces = new Map<ResourceKind, string>();
  /** What the clusters that are being warmed wait for, as `endpoint a`. */
  #awaited: Set<string> | undefined;
  /** Clusters of an earlier stream are unknown to the state of the world, so they may just go. */
  #mayLoseClusters = false;
  #delivery: Delivery;

  constructor(
    public snapshot: Snapshot | undefined,
    readonly variant: Variant = 'incremental',
  ) {
    this.#delivery = this.#connect();
  }

  refused(kind: ResourceKind): readonly string[] {
    const present = this.snapshot?.resources[kind];
    return (present && this.#delivery.subscription(kind)?.refused(present)) ?? [];
  }

  publish(snapshot: Snapshot): void {
    const changes = changesBetween(this.snapshot, snapshot);
    this.snapshot = snapshot;
    this.#delivery.publish(snapshot, changes);
    this.#take();
  }

  acknowledge(kind: ResourceKind): void {
    const response = this.waiting.get(kind);
    if (!response) return;
    this.#warmWhatCameBefore(response);
    if (kind !== 'cluster') {
      this.waiting.delete(kind);
      this.#hold(response);
      this.#answer(kind, response.nonce, false);
      this.#follow(kind);
      this.#awaitNoLonger(response);
    }
    this.#take();
  }

  /** Clusters that are being warmed are taken already. */
  refuse(kind: ResourceKind): void {
    const response = this.waiting.get(kind);
    if (!response || (kind === 'cluster' && this.#awaited)) return;
    if (kind !== 'cluster') this.#warmWhatCameBefore(response);
    this.waiting.delete(kind);
    this.#answer(kind, response.nonce, true);
    // What is refused is waited for no longer, or Envoy would never start.
    this.#awaitNoLonger(response);
    this.#take();
  }

  /** Acknowledges until nothing comes any more. */
  settle(): void {
    for (let round = 0; this.waiting.size > 0; round++) {
      expect(round, 'rounds until quiet').to.be.lessThan(200);
      const before = new Set([...this.waiting.values(), this.#awaited?.size]);
      for (const kind of [...this.waiting.keys()]) this.acknowledge(kind);
      const after = [...this.waiting.values(), this.#awaited?.size];
      const stands = after.length === before.size && after.every((each) => before.has(each));
      expect(stands && [...(this.#awaited ?? [])], 'waited for in vain').to.equal(false);
    }
  }

  /** Comes back on a new stream, with what it holds. */
  reconnect(): void {
    // Those that are not warm yet begin anew.
    this.#awaited = undefined;
    this.waiting.clear();
    this.#follow('cluster');
    this.#delivery = this.#connect();
    this.#take();
  }

  #hold(response: Response): void {
    const { kind } = response;
    for (const [name, resource] of this.#meaning(response))
      if (!resource) this.held[kind].delete(name);
      else if (this.#wants(kind, name)) this.held[kind].set(name, resource);
  }

  /** Envoy reads in order, so clusters that came before are warming when this is read. */
  #warmWhatCameBefore({ number }: Response): void {
    const response = this.waiting.get('cluster');
    if (!response || this.#awaited || response.number > number) return;
    this.#awaited = new Set();
    for (const [name, cluster] of this.#meaning(response)) {
      if (!cluster) this.held.cluster.delete(name);
      else if (this.held.cluster.get(name)?.version !== cluster.version) {
        const { assignment, secrets } = referencesOf('cluster', cluster);
        if (assignment !== undefined) this.#awaited.add(`endpoint ${assignment}`);
        for (const secret of secrets)
          if (!this.held.secret.has(secret)) this.#awaited.add(`secret ${secret}`);
      }
    }
    this.#follow('cluster');
    this.#acknowledgeWhatIsWarm();
  }

  /** An assignment that came before its cluster warms nothing. */
  #awaitNoLonger({ kind, number, content }: Response): void {
    const clusters = this.waiting.get('cluster');
    if (!this.#awaited || !clusters || clusters.number > number) return;
    for (const name of content.keys()) this.#awaited.delete(`${kind} ${name}`);
    this.#acknowledgeWhatIsWarm();
  }

  #acknowledgeWhatIsWarm(): void {
    const response = this.waiting.get('cluster');
    if (!response || !this.#awaited || this.#awaited.size > 0) return;
    this.#awaited = undefined;
    this.waiting.delete('cluster');
    this.#hold(response);
    this.#mayLoseClusters = false;
    this.#follow('cluster');
    this.#answer('cluster', response.nonce, false);
  }

  /** What a response changes: of a whole one, also what it leaves out. */
  #meaning({ kind, content, whole }: Response): Content {
    if (!whole) return content;
    const gone = [...this.held[kind].keys()].filter((name) => !whole.has(name));
    return new Map([...whole, ...gone.map((name) => [name, undefined] as const)]);
  }

  #answer(kind: ResourceKind, nonce: string, refused: boolean): void {
    this.#nonces.set(kind, nonce);
    const wish =
      this.variant === 'incremental' ? noWish : { names: [...this.asked[kind]], returning: true };
    this.#delivery.receive(kind, wish, { nonce, refused });
  }

  #connect(): Delivery {
    const delivery = new Delivery(this.variant, this.#numbered, this.snapshot);
    this.#nonces.clear();
    for (const kind of resourceKinds) {
      if (this.variant === 'state of the world') {
        const returning = this.held[kind].size > 0;
        const names = [...this.asked[kind]];
        if (kind === 'cluster') this.#mayLoseClusters = returning;
        if (kind === 'cluster' || kind === 'listener' || names.length > 0)
          delivery.receive(kind, { names, returning }, noVerdict);
        continue;
      }
      const versions = [...this.held[kind]].map(([name, { version }]) => [name, version] as const);
      const wish = { subscribe: [...this.asked[kind]], unsubscribe: [] };
      const held = new Map(versions);
      if (kind === 'cluster' || kind === 'listener' || wish.subscribe.length > 0)
        delivery.receive(kind, { ...wish, held }, noVerdict);
    }
    return delivery;
  }

  #wants(kind: ResourceKind, name: string): boolean {
    return kind === 'cluster' || kind === 'listener' || this.asked[kind].has(name);
  }

  /** Clusters and listeners decide which endpoints, secrets and routes are asked for. */
  #follow(kind: ResourceKind): void {
    if (kind !== 'cluster' && kind !== 'listener') return;
    this.#ask(kind === 'cluster' ? 'endpoint' : 'route');
    this.#ask('secret');
  }

  #ask(follower: ResourceKind): void {
    const named = new Set(
      (['cluster', 'listener'] as const).flatMap((kind) =>
        [...this.held[kind].values(), ...this.#warming(kind)].flatMap((resource) => {
          const { assignment, routes, secrets } = referencesOf(kind, resource);
          if (follower === 'secret') return secrets;
          return follower === 'route' ? routes : (assignment ?? []);
        }),
      ),
    );
    const asked = this.asked[follower];
    const subscribe = [...named].filter((name) => !asked.has(name));
    const unsubscribe = [...asked].filter((name) => !named.has(name));
    for (const name of subscribe) asked.add(name);
    for (const name of unsubscribe) {
      asked.delete(name);
      this.held[follower].delete(name);
    }
    if (subscribe.length + unsubscribe.length === 0) return;
    const nonce = this.#nonces.get(follower) ?? '';
    if (this.variant === 'state of the world')
      this.#delivery.receive(
        follower,
        { names: [...asked], returning: false },
        { nonce, refused: false },
      );
    else this.#delivery.receive(follower, { subscribe, unsubscribe, held: new Map() }, noVerdict);
  }

  #warming(kind: ResourceKind): Resource[] {
    return kind === 'cluster' && this.#awaited ? this.#inFlight('cluster') : [];
  }

  #take(): void {
    for (const response of this.#delivery.responses()) {
      expect(this.waiting.has(response.kind), 'one response of a type at a time').to.be.false;
      for (const [name, resource] of this.#meaning(response))
        if (resource) this.#checkAddition(response.kind, resource);
        else this.#checkRemoval(response.kind, name);
      this.waiting.set(response.kind, response);
      this.received.push(response);
    }
  }

  #checkAddition(kind: ResourceKind, resource: Resource): void {
    if (kind === 'endpoint') {
      const sent = [...this.held.cluster.values(), ...this.#inFlight('cluster')];
      const named = sent.map((cluster) => referencesOf('cluster', cluster).assignment);
      expect(named, 'clusters before their endpoints').to.include(resource.name);
    }
    if (kind !== 'listener' && kind !== 'route') return;
    for (const name of referencesOf(kind, resource).clusters) {
      const cluster = this.held.cluster.get(name);
      expect(cluster, `cluster ${name} before ${kind} ${resource.name}`).to.exist;
      const leaving = this.waiting.get('cluster')?.content;
      const stays = leaving?.has(name) !== true || leaving.get(name) !== undefined;
      if (!this.held[kind].has(resource.name)) expect(stays, `${name} is leaving`).to.be.true;
      const { assignment, secrets } = referencesOf('cluster', cluster!);
      for (const secret of secrets)
        expect(this.held.secret.has(secret), `secret ${secret} of ${name}`).to.be.true;
      if (assignment !== undefined)
        expect(this.held.endpoint.has(assignment), `endpoints of ${name}`).to.be.true;
    }
  }

  #checkRemoval(kind: ResourceKind, name: string): void {
    expect(this.snapshot?.resources[kind].has(name), `${kind} ${name} is still there`).to.be.false;
    if (this.#mayLoseClusters || (kind !== 'cluster' && kind !== 'secret')) return;
    // Of a secret that it never had, it may hear at any time that there is none.
    if (kind === 'secret' && !this.held.secret.has(name)) return;
    const from = kind === 'cluster' ? (['listener', 'route'] as const) : namingSecrets;
    for (const other of from)
      for (const resource of [...this.held[other].values(), ...this.#inFlight(other)]) {
        const { clusters, secrets } = referencesOf(other, resource);
        const named = kind === 'cluster' ? clusters : secrets;
        expect(named, 'named by nothing').to.not.include(name);
      }
  }

  #inFlight(kind: ResourceKind): Resource[] {
    const content = [...(this.waiting.get(kind)?.content.values() ?? [])];
    return content.filter((resource) => resource !== undefined);
  }
}

export function perKind<T>(make: (kind: ResourceKind) => T): Record<ResourceKind, T> {
  const made = resourceKinds.map((kind) => [kind, make(kind)] as const);
  return Object.fromEntries(made) as Record<ResourceKind, T>;
}
