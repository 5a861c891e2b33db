/**
 * Who is connected and what each of them holds, acknowledged and refused, for
 * the admin API. Envoy's own words about a refusal are kept as they came.
 */
import type { Clock } from '../clock.js';
import { problem, type Problem } from '../errors.js';
import { Latest } from '../latest.js';
import type { Metrics } from '../metrics.js';
import type { Audience } from '../snapshot/audience.js';
import type { ResourceKind } from '../snapshot/snapshot.js';

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
  readonly kinds: NodeKinds;
  readonly lastRefusal: Refusal | undefined;
}

export class Nodes {
  /** Grows with every change; `list` and `problems` tell what is then. */
  readonly revision = new Latest(0);
  readonly #connected = new Set<ConnectedNode>();
  readonly #streams = new Map<string, number>();

  constructor(
    private readonly metrics: Metrics,
    private readonly clock: Clock,
  ) {}

  /** Sorted by id; a node that is just reconnecting may be there twice. */
  list(): readonly NodeStatus[] {
    return [...this.#connected].map((node) => node.status).sort(byId);
  }

  /** One problem for every resource that a connected Envoy refuses at present. */
  problems(): readonly Problem[] {
    return this.list().flatMap(({ id, kinds, lastRefusal }) =>
      Object.entries(kinds).flatMap(([kind, { refused }]) =>
        refused.map((name) => refusedBy(id, `${kind}.${name}`, lastRefusal)),
      ),
    );
  }

  /** How many streams there are of the node of this id. */
  streamsOf(id: string): number {
    return this.#streams.get(id) ?? 0;
  }

  join(identity: Identity, holdings: Held): ConnectedNode {
    const node = new ConnectedNode(identity, holdings, {
      clock: this.clock,
      touch: () => this.#touch(),
    });
    this.#connected.add(node);
    this.#count(identity.id, 1);
    return node;
  }

  leave(node: ConnectedNode): void {
    if (this.#connected.delete(node)) this.#count(node.identity.id, -1);
  }

  #count(id: string, difference: 1 | -1): void {
    const streams = this.streamsOf(id) + difference;
    if (streams > 0) this.#streams.set(id, streams);
    else this.#streams.delete(id);
    this.metrics.nodes.set(this.#connected.size);
    this.#touch();
  }

  #touch(): void {
    this.revision.set(this.revision.value + 1);
  }
}

/** Tells what is held when it is asked. */
interface Held {
  kinds(): NodeKinds;
}

interface Surroundings {
  readonly clock: Clock;
  /** Something about this node is not what it was. */
  readonly touch: () => void;
}

export class ConnectedNode {
  readonly touch: () => void;
  readonly #clock: Clock;
  readonly #connectedSince: number;
  #lastRefusal: Refusal | undefined;

  constructor(
    readonly identity: Identity,
    private readonly held: Held,
    { clock, touch }: Surroundings,
  ) {
    this.#clock = clock;
    this.#connectedSince = clock.now();
    this.touch = touch;
  }

  get status(): NodeStatus {
    return {
      ...this.identity,
      connectedSince: this.#connectedSince,
      kinds: this.held.kinds(),
      lastRefusal: this.#lastRefusal,
    };
  }

  refuse(kind: ResourceKind, names: readonly string[], message: string): void {
    this.#lastRefusal = { kind, names, message, at: this.#clock.now() };
  }
}

const byId = (one: NodeStatus, other: NodeStatus) =>
  one.id < other.id ? -1 : one.id > other.id ? 1 : one.connectedSince - other.connectedSince;

const refusedBy = (node: string, path: string, refusal: Refusal | undefined) => {
  const words = refusal?.message ?? 'no reason given';
  return problem(
    'resource_refused',
    { node, path },
    `Envoy "${node}" refused ${path} and keeps what it held: ${words}. ` +
      'Change what it is made from; the next different form is sent at once.',
  );
};
