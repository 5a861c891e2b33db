/**
 * Carries one stream's bytes between gRPC and the protocol core, and tells
 * `nodes` and the metrics what happened.
 *
 * Requests that arrive together are read before anything is answered: an
 * Envoy that comes back names all its types in one go, and what it holds of
 * one decides what may be removed of another.
 */
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import type { Audience } from '../snapshot/audience.js';
import {
  resourceKinds,
  type ResourceKind,
  type ResourceSet,
  type Snapshot,
} from '../snapshot/snapshot.js';
import type { Changes } from './changes.js';
import { Delivery, type Response } from './delivery.js';
import type { ConnectedNode, Nodes } from './nodes.js';
import { identityOf, InvalidRequest, readIncremental, type Request } from './request.js';
import { encodeIncremental } from './response.js';
import type { Answer, Subscription } from './subscription.js';

/** Where a stream writes to; kept small so that another transport can take gRPC's place. */
interface Sink {
  write(bytes: Buffer): void;
  /** Ends the stream because of what the client sent. */
  refuse(reason: string): void;
}

/** What all streams share. */
export interface StreamContext {
  readonly snapshotFor: (audience: Audience) => Snapshot | undefined;
  readonly nextNonce: () => string;
  readonly nodes: Nodes;
  readonly metrics: Metrics;
  readonly log: Log;
}

interface Session {
  readonly node: ConnectedNode;
  readonly delivery: Delivery;
}

export class Stream {
  #session: Session | undefined;
  #open = true;
  #flushing: NodeJS.Immediate | undefined;
  /** The snapshot each type's last response was taken from, acknowledged or not. */
  readonly #sentVersions = new Map<ResourceKind, string>();
  readonly #acknowledgedVersions = new Map<ResourceKind, string>();
  #present: Snapshot | undefined;

  constructor(
    private readonly sink: Sink,
    private readonly address: string,
    private readonly context: StreamContext,
  ) {}

  get audience(): Audience | undefined {
    return this.#session?.node.status.role;
  }

  receive(bytes: Buffer): void {
    if (!this.#open) return;
    try {
      this.#act(readIncremental(bytes));
    } catch (error) {
      if (!(error instanceof InvalidRequest)) throw error;
      this.context.log.warn({ ...this.#who(), reason: error.message }, 'refused an xDS stream');
      this.close();
      this.sink.refuse(error.message);
    }
  }

  publish(snapshot: Snapshot, changes: Changes): void {
    if (!this.#session) return;
    this.#present = snapshot;
    this.#session.delivery.publish(snapshot, changes);
    this.#flush(this.#session);
    for (const kind of resourceKinds)
      if (changes[kind].length > 0) this.#report(this.#session, kind);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    if (this.#flushing) clearImmediate(this.#flushing);
    if (!this.#session) return;
    this.context.nodes.leave(this.#session.node);
    this.context.log.info(this.#who(), 'an Envoy has left');
    this.#session = undefined;
  }

  #act(request: Request): void {
    const session = this.#session ?? this.#begin(request);
    const { id } = session.node.status;
    if (request.node?.id && request.node.id !== id)
      throw new InvalidRequest(`this stream is of node "${id}", not of "${request.node.id}"`);
    const { kind } = request;
    if (!kind) {
      this.context.log.debug(
        { ...this.#who(), type: request.typeUrl },
        'asked for an unknown type',
      );
      return;
    }
    const answer = session.delivery.receive(kind, request.wish, request.verdict);
    this.#record(session, kind, { answer, complaint: request.complaint });
    this.#flushing ??= setImmediate(() => {
      this.#flushing = undefined;
      this.#flush(session);
    });
  }

  /** The first request says who the client is. */
  #begin(request: Request): Session {
    const identity = identityOf(request.node, this.address);
    this.#present = this.context.snapshotFor(identity.role);
    const session = {
      node: this.context.nodes.join(identity),
      delivery: new Delivery(this.context.nextNonce, this.#present),
    };
    this.#session = session;
    this.context.log.info({ ...this.#who(), version: identity.version }, 'an Envoy has joined');
    return session;
  }

  #flush(session: Session): void {
    const responses = session.delivery.responses();
    for (const response of responses) {
      this.#send(response);
      this.#report(session, response.kind);
    }
  }

  #send(response: Response): void {
    this.#sentVersions.set(response.kind, response.version);
    this.context.metrics.responses.inc({ type: response.kind });
    this.sink.write(encodeIncremental(response));
  }

  #record(
    session: Session,
    kind: ResourceKind,
    { answer, complaint = '' }: { answer: Answer; complaint: string | undefined },
  ): void {
    const sent = this.#sentVersions.get(kind);
    if (answer.kind === 'acknowledged' && sent !== undefined)
      this.#acknowledgedVersions.set(kind, sent);
    if (answer.kind === 'refused') {
      const names = [...answer.content.keys()];
      session.node.refuse(kind, names, complaint);
      this.context.metrics.nacks.inc({ type: kind });
      const words = { ...this.#who(), kind, names: names.slice(0, 10), complaint };
      this.context.log.warn(words, 'an Envoy refused resources and keeps what it held');
    }
    this.#report(session, kind);
  }

  #report({ node, delivery }: Session, kind: ResourceKind): void {
    const subscription = delivery.subscription(kind);
    if (!subscription) return;
    const acknowledged = this.#acknowledgedVersions.get(kind);
    node.report(kind, statusOf(subscription, this.#present?.resources[kind], acknowledged));
  }

  #who(): { node: string | undefined; address: string } {
    return { node: this.#session?.node.status.id, address: this.address };
  }
}

const statusOf = (
  subscription: Subscription,
  present: ResourceSet | undefined,
  acknowledged: string | undefined,
) => ({
  acknowledged,
  held: subscription.held.size,
  wildcard: subscription.wildcard,
  inFlight: subscription.inFlight !== undefined,
  settled: subscription.settled,
  refused: present ? subscription.refused(present) : [],
});
