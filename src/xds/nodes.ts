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

export interface NodeStatus extends Identity {
  readonly connectedSince: number;
  readonly kinds: Readonly<Partial<Record<ResourceKind, KindStatus>>>;
  readonly lastRefusal: Refusal | undefined;
}

export class Nodes {
  /** Grows with every change; `list` and `problems` tell what is then. */
  readonly revision = new Latest(0);
  readonly #connected = new Set<ConnectedNode>();

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

  join(identity: Identity): ConnectedNode {
    const node = new ConnectedNode(identity, this.clock, () => this.#touch());
    this.#connected.add(node);
    this.metrics.nodes.set(this.#connected.size);
    this.#touch();
    return node;
  }

  leave(node: ConnectedNode): void {
    this.#connected.delete(node);
    this.metrics.nodes.set(this.#connected.size);
    this.#touch();
  }

  #touch(): void {
    this.revision.set(this.revision.value + 1);
  }
}

export class ConnectedNode {
  #status: NodeStatus;

  constructor(
    identity: Identity,
    private readonly clock: Clock,
    private readonly touch: () => void,
  ) {
    const connectedSince = clock.now();
    this.#status = { ...identity, connectedSince, kinds: {}, lastRefusal: undefined };
  }

  get status(): NodeStatus {
    return this.#status;
  }

  report(kind: ResourceKind, status: KindStatus): void {
    this.#status = { ...this.#status, kinds: { ...this.#status.kinds, [kind]: status } };
    this.touch();
  }

  refuse(kind: ResourceKind, names: readonly string[], message: string): void {
    const lastRefusal = { kind, names, message, at: this.clock.now() };
    this.#status = { ...this.#status, lastRefusal };
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
