/**
 * Who is connected and what each of them holds, acknowledged and refused, for
 * the admin API. Envoy's own words about a refusal are kept as they came.
 */
import type { Clock } from '../clock.js';
import type { Problem } from '../errors.js';
import { Latest } from '../latest.js';
import type { Metrics } from '../metrics.js';
import type { Audience } from '../snapshot/audience.js';
import type { Resource, ResourceKind } from '../snapshot/snapshot.js';
import type { Peer } from './identity.js';
import { NodeCertificates, shownBy, type ShownCertificate } from './node_certificates.js';
import type { PublishedTo } from './published.js';
import { problemsOfNodes, problemsOfVerdicts } from './refusal_problems.js';
import { Refusals, type Form, type Witness } from './refusals.js';
import type { Content } from './subscription.js';

export interface Identity {
  readonly id: string;
  readonly cluster: string;
  /** Envoy's version, as `1.40.0`; empty when it did not say. */
  readonly version: string;
  readonly role: Audience;
  /** Where it connected from. */
  readonly address: string;
}

export interface KindStatus {
  /** The snapshot that the last acknowledged response was taken from. */
  readonly acknowledged: string | undefined;
  /** How many resources it holds. */
  readonly held: number;
  /** Does it take all, or only what it names? */
  readonly wildcard: boolean;
  readonly inFlight: boolean;
  /** It was sent a response and has not answered in time. */
  readonly overdue?: boolean;
  /** It holds what the present snapshot says. */
  readonly settled: boolean;
  /** Names whose present form it has refused. */
  readonly refused: readonly string[];
}

interface Refusal {
  readonly kind: ResourceKind;
  readonly names: readonly string[];
  /** In Envoy's words. */
  readonly message: string;
  readonly at: number;
}

export type NodeKinds = Readonly<Partial<Record<ResourceKind, KindStatus>>>;

export interface NodeStatus extends Identity {
  readonly connectedSince: number;
  /** What it showed then; undefined without TLS. */
  readonly certificate?: ShownCertificate | undefined;
  /** How long it has not held the present snapshot, in ms; 0 while it does. */
  readonly lagMs: number;
  readonly kinds: NodeKinds;
  readonly lastRefusal: Refusal | undefined;
  /** What it refused by itself and has not taken since, as `cluster claims`, in Envoy's words. */
  readonly complaints: ReadonlyMap<string, string>;
}

/** An Envoy that does not hold what it is to hold. */
interface Lacking {
  readonly node: string;
  readonly refused: boolean;
}

/** What is known to be refused, and what is published for it. */
interface Verdicts {
  readonly refusals: Refusals;
  readonly publishedTo: PublishedTo;
}

export class Nodes {
  /** Grows with every change; `list` and `problems` tell what is then. */
  readonly revision = new Latest(0);
  readonly refusals: Refusals;
  readonly #publishedTo: PublishedTo;
  readonly #connected = new Set<ConnectedNode>();
  readonly #streams = new Map<string, number>();
  readonly #certificates: NodeCertificates;

  constructor(
    private readonly metrics: Metrics,
    private readonly clock: Clock,
    { refusals, publishedTo }: Partial<Verdicts> = {},
  ) {
    this.#certificates = new NodeCertificates(metrics);
    this.refusals = refusals ?? new Refusals();
    this.#publishedTo = publishedTo ?? (() => undefined);
  }

  /** Sorted by id; a node that is just reconnecting may be there twice. */
  list(): readonly NodeStatus[] {
    return [...this.#connected].map((node) => node.status).sort(byId);
  }

  /** Who of an audience does not hold this very form, and whether it was refused. */
  lacking(role: Audience, kind: ResourceKind, { name, version }: Resource): readonly Lacking[] {
    const isConvicted = this.refusals.convicted.value.some(
      (each) => each.kind === kind && each.name === name && each.version === version,
    );
    return [...this.#connected].flatMap((node) => {
      if (node.identity.role !== role || node.holding(kind, name)?.version === version) return [];
      return [{ node: node.identity.id, refused: isConvicted || node.refuses(kind, name) }];
    });
  }

  /** One for every resource that is refused at present, and for every certificate that is late. */
  problems(): readonly Problem[] {
    const known = problemsOfVerdicts(this.refusals.verdicts, this.#publishedTo);
    const told = new Set(known.map(({ subject }) => subject.path));
    const others = problemsOfNodes(this.list());
    const refused = [...known, ...others.filter(({ subject }) => !told.has(subject.path))];
    return [...refused, ...this.#certificates.problems()];
  }

  /** How many streams a node has; one of another role is another, whatever id it says. */
  streamsOf(node: Pick<Identity, 'id' | 'role'>): number {
    return this.#streams.get(keyOf(node)) ?? 0;
  }

  join(identity: Identity, holdings: Held, peer?: Peer): ConnectedNode {
    const node: ConnectedNode = new ConnectedNode(identity, holdings, {
      clock: this.clock,
      touch: () => this.#touch(),
      refusals: this.refusals,
      connected: this.#connected,
      certificate: shownBy(peer, this.clock.now()),
    });
    this.#connected.add(node);
    this.#certificates.joined(node);
    this.#count(identity, 1);
    return node;
  }

  leave(node: ConnectedNode): void {
    if (!this.#connected.delete(node)) return;
    this.refusals.left(node);
    this.#certificates.left(node);
    this.#count(node.identity, -1);
  }

  #count(identity: Identity, difference: 1 | -1): void {
    const streams = this.streamsOf(identity) + difference;
    if (streams > 0) this.#streams.set(keyOf(identity), streams);
    else this.#streams.delete(keyOf(identity));
    this.metrics.nodes.set(this.#connected.size);
    this.#touch();
  }

  #touch(): void {
    this.revision.set(this.revision.value + 1);
  }
}

const keyOf = ({ role, id }: Pick<Identity, 'id' | 'role'>) => `${role} ${id}`;

/** Tells what is held when it is asked. */
export interface Held {
  kinds(): NodeKinds;
  resource(kind: ResourceKind, name: string): Resource | undefined;
  /** Is this very form on its way, or to be sent, and is no answer late? */
  awaits(kind: ResourceKind, form: Form): boolean;
  /** How many resources are held in all. */
  readonly count: number;
  /** Since when what is held is not what the present snapshot says; undefined while it is. */
  readonly behindSince: number | undefined;
}

interface Surroundings {
  readonly clock: Clock;
  /** Something about this node is not what it was. */
  readonly touch: () => void;
  readonly refusals: Refusals;
  /** Everybody, this node too. */
  readonly connected: Iterable<Witness>;
  readonly certificate: ShownCertificate | undefined;
}

export class ConnectedNode implements Witness {
  readonly touch: () => void;
  readonly certificate: ShownCertificate | undefined;
  readonly #clock: Clock;
  readonly #refusals: Refusals;
  readonly #connected: Iterable<Witness>;
  readonly #connectedSince: number;
  #lastRefusal: Refusal | undefined;
  readonly #complaints = new Map<string, string>();

  constructor(
    readonly identity: Identity,
    private readonly held: Held,
    { clock, touch, refusals, connected, certificate }: Surroundings,
  ) {
    this.#clock = clock;
    this.#refusals = refusals;
    this.#connected = connected;
    this.#connectedSince = clock.now();
    this.touch = touch;
    this.certificate = certificate;
  }

  get status(): NodeStatus {
    const { behindSince } = this.held;
    return {
      ...this.identity,
      connectedSince: this.#connectedSince,
      certificate: this.certificate,
      lagMs: behindSince === undefined ? 0 : Math.max(1, this.#clock.now() - behindSince),
      kinds: this.held.kinds(),
      lastRefusal: this.#lastRefusal,
      complaints: this.#complaints,
    };
  }

  get credible(): boolean {
    return this.held.count >= this.#complaints.size;
  }

  holding(kind: ResourceKind, name: string): Resource | undefined {
    return this.held.resource(kind, name);
  }

  /** Whether what it last said of this resource was a refusal. */
  refuses(kind: ResourceKind, name: string): boolean {
    return this.#complaints.has(`${kind} ${name}`);
  }

  isAsked(kind: ResourceKind, form: Form): boolean {
    return this.held.awaits(kind, form);
  }

  refuse(kind: ResourceKind, content: Content, message: string): void {
    const at = this.#clock.now();
    this.#lastRefusal = { kind, names: [...content.keys()], message, at };
    // Of several nobody knows which it is; each is tried by itself.
    const [resource, ...others] = content.size === 1 ? content.values() : [];
    if (!resource || others.length > 0) return;
    this.#complaints.set(`${kind} ${resource.name}`, message);
    this.#refusals.refused(this, { kind, resource, message, at }, this.#connected);
  }

  accept(kind: ResourceKind, content: Content): void {
    if (this.#complaints.size > 0)
      for (const name of content.keys()) this.#complaints.delete(`${kind} ${name}`);
    this.#refusals.accepted(this, kind, content);
  }
}

const byId = (one: NodeStatus, other: NodeStatus) =>
  one.id < other.id ? -1 : one.id > other.id ? 1 : one.connectedSince - other.connectedSince;
