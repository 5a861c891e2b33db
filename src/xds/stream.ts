/**
 * Carries one stream's bytes between gRPC and the protocol core, and tells
 * `nodes` and the metrics what happened.
 *
 * Requests that arrive together are read before anything is answered: an
 * Envoy that comes back names all its types in one go, and what it holds of
 * one decides what may be removed of another.
 */
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import type { Audience } from '../snapshot/audience.js';
import type { ResourceKind, Snapshot } from '../snapshot/snapshot.js';
import type { Audiences } from './audiences.js';
import type { Changes } from './changes.js';
import { Delivery, type Numbering } from './delivery.js';
import { Holdings } from './holdings.js';
import { objection, type IdentityPolicy, type Peer } from './identity.js';
import type { Limits } from './limits.js';
import type { NameBudget, NameShare } from './name_budget.js';
import type { ConnectedNode, Nodes } from './nodes.js';
import { identityOf, InvalidRequest, readRequest, type Refusal, type Request } from './request.js';
import { Repetitions } from './repetitions.js';
import { encodeResponse } from './response.js';
import type { Turns } from './turns.js';
import { Unread } from './unread.js';
import type { Answer, Variant } from './subscription.js';

/** Why a stream is ended by us. */
export interface Ending {
  readonly because: Refusal | 'stopping';
  readonly reason: string;
}

const nothingToSay: Ending = {
  because: 'stopping',
  reason: 'this control plane has not heard its registries yet; try another one',
};

/** Where a stream writes to; kept small so that another transport can take gRPC's place. */
export interface Sink {
  /** Where it leads. */
  readonly address: string;
  /** Whoever the client's certificate names; undefined without TLS. */
  readonly peer: Peer | undefined;
  readonly variant: Variant;
  /** `taken`: called when it has left for the client. */
  write(bytes: Buffer, taken: () => void): void;
  end(ending: Ending): void;
  /** Ends its whole connection: what was written and not taken goes with it. */
  cut(): void;
}

/** What all streams share. */
export interface StreamContext {
  readonly audiences: Audiences;
  readonly identity: IdentityPolicy;
  readonly numbered: Numbering;
  readonly turns: Turns;
  readonly names: NameBudget;
  readonly limits: Limits;
  readonly nodes: Nodes;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
}

interface Session {
  readonly node: ConnectedNode;
  readonly delivery: Delivery;
  readonly holdings: Holdings;
}

export class Stream {
  #session: Session | undefined;
  #open = true;
  #flushing: NodeJS.Immediate | undefined;
  readonly #openedAt: number;
  readonly #complaints = new Repetitions();
  readonly #unread = new Unread();
  readonly #names: NameShare;
  #askedForUnknown = false;

  constructor(
    private readonly sink: Sink,
    private readonly context: StreamContext,
    /** Called when it has had its first answers. */
    private readonly joined: () => void,
  ) {
    this.#openedAt = context.clock.now();
    this.#names = context.names.shareOf(sink.address);
  }

  receive(bytes: Buffer): void {
    if (!this.#open) return;
    try {
      this.#act(readRequest(this.sink.variant, bytes));
    } catch (error) {
      if (!(error instanceof InvalidRequest)) throw error;
      this.end({ because: error.because, reason: error.message });
    }
  }

  publish(snapshot: Snapshot, changes: Changes): void {
    if (!this.#session) return;
    this.#session.holdings.present = snapshot;
    this.#session.delivery.publish(snapshot, changes);
    this.context.turns.add(this);
    this.#session.node.touch();
  }

  flush(): number {
    return this.#session ? this.#flush(this.#session) : 0;
  }

  /** Looks for answers that are awaited too long, and whether it may still be here. */
  inspect(): void {
    const { clock, limits, metrics, log } = this.context;
    const since = clock.now() - limits.answerMs;
    if (!this.#session) return;
    const refusal = this.#refusalOf(this.#session.node.identity.role);
    if (refusal) {
      this.end({ because: refusal.because, reason: refusal.message });
      return;
    }
    // Another replica may know what this one has not heard yet, and Envoy asks the next by itself.
    if (!this.#session.holdings.present && this.#openedAt <= since) {
      this.end(nothingToSay);
      return;
    }
    for (const kind of this.#session.holdings.fallOverdue(since)) {
      metrics.ackTimeouts.inc({ type: kind });
      log.warn({ ...this.#who(), kind }, 'an Envoy has not answered a response in time');
      this.#session.node.touch();
    }
  }

  end(ending: Ending): void {
    if (!this.#open) return;
    if (ending.because !== 'stopping') {
      this.context.metrics.refusedStreams.inc({ reason: ending.because });
      this.context.log.warn({ ...this.#who(), reason: ending.reason }, 'refused an xDS stream');
    }
    this.close();
    this.sink.end(ending);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    if (this.#flushing) clearImmediate(this.#flushing);
    this.context.turns.leave(this);
    this.#names.end();
    if (!this.#session) return;
    const { node } = this.#session;
    this.context.log.info(this.#who(), 'an Envoy has left');
    this.#session = undefined;
    this.context.audiences.leave(node.identity.role, this);
    // Last: a verdict that waited for it may change what the others are sent.
    this.context.nodes.leave(node);
  }

  #act(request: Request): void {
    const session = this.#session ?? this.#begin(request);
    const { id, role } = session.node.identity;
    if (request.node?.id && request.node.id !== id)
      throw new InvalidRequest(
        `this stream is of node "${id}", not of "${request.node.id.slice(0, 64)}": every Envoy ` +
          'opens a stream of its own, and keeps the node.id of its first request on it',
      );
    const { kind } = request;
    if (!kind) {
      this.#noteUnknown(request.typeUrl.slice(0, 200));
      return;
    }
    const known = session.delivery.subscription(kind);
    const bytesBefore = known?.nameBytes ?? 0;
    if (!known)
      this.context.nodes.refusals.returning(role, kind, () => broughtBy(request.wish, kind));
    const answer = session.delivery.receive(kind, request.wish, request.verdict);
    const { named = 0, nameBytes = 0 } = session.delivery.subscription(kind) ?? {};
    this.#limitNames(request, named, nameBytes - bytesBefore);
    this.#record(session, kind, { answer, complaint: request.complaint });
    this.#flushing ??= setImmediate(() => {
      this.#flushing = undefined;
      this.context.turns.add(this);
    });
  }

  #limitNames({ kind, wish }: Request, named: number, bytes: number): void {
    const { namesPerSubscription: most } = this.context.limits;
    const held = 'held' in wish ? wish.held.size : 0;
    if (Math.max(held, named) > most)
      throw new InvalidRequest(
        `a subscription may have ${most} names, and this one of ${kind} has more: if they are ` +
          'all of services, raise xds.limits.namesPerSubscription',
        'too much',
      );
    const complaint = this.#names.change(bytes);
    if (complaint !== undefined) throw new InvalidRequest(complaint, 'too much');
  }

  /** Other types are served on the same stream; of this one it gets nothing, for ever. */
  #noteUnknown(type: string): void {
    this.context.metrics.unknownTypes.inc();
    this.context.log[this.#askedForUnknown ? 'debug' : 'warn'](
      { ...this.#who(), type },
      'an Envoy asks for a type that is not served here and waits for it in vain: give what ' +
        'asks for it another config source, or take it out of its bootstrap',
    );
    this.#askedForUnknown = true;
  }

  /** The first request says who the client is. */
  #begin(request: Request): Session {
    const { nodes, limits, audiences, numbered, log } = this.context;
    const identity = identityOf(request.node, this.sink.address);
    const refusal = this.#refusalOf(identity.role);
    if (refusal) throw refusal;
    if (nodes.streamsOf(identity) >= limits.streamsPerNode)
      throw new InvalidRequest(
        `node "${identity.id}" has ${limits.streamsPerNode} streams already; every Envoy needs ` +
          'a node.id of its own',
        'too much',
      );
    // It may bring back what others refuse, and then it must be in the snapshot.
    nodes.refusals.joining(identity);
    const snapshot = audiences.join(identity.role, this);
    const delivery = new Delivery(this.sink.variant, numbered, snapshot);
    const holdings = new Holdings(delivery, snapshot);
    const session = { node: nodes.join(identity, holdings, this.sink.peer), delivery, holdings };
    this.#session = session;
    log.info({ ...this.#who(), version: identity.version }, 'an Envoy has joined');
    return session;
  }

  /** Why the client gets nothing of what this audience gets, or no longer. */
  #refusalOf(audience: Audience): InvalidRequest | undefined {
    const { identity, audiences, clock } = this.context;
    const wrong = objection(identity, this.sink.peer, { audience, now: clock.now() });
    if (wrong) return new InvalidRequest(wrong, 'identity');
    if (audiences.serves(audience)) return undefined;
    return new InvalidRequest(`node.metadata says ${audience}, which is not served here`);
  }

  #flush({ delivery, holdings, node }: Session): number {
    const { metrics, clock, limits } = this.context;
    let written = 0;
    for (const response of delivery.responses()) {
      if (this.#unread.of(response.kind) >= limits.unreadPerType) return this.#endUnread(written);
      holdings.sent(response, clock.now());
      metrics.responses.inc({ type: response.kind });
      const bytes = encodeResponse(response);
      written += bytes.length;
      this.sink.write(bytes, this.#unread.sent(response.kind));
      node.touch();
    }
    const { quiet } = delivery;
    if (holdings.lag(!quiet, clock.now())) node.touch();
    if (quiet) this.joined();
    return written;
  }

  /** Whoever answers what it has not read would have everything wait here for it. */
  #endUnread(written: number): number {
    const reason =
      'it acknowledges responses that it has not read, and reads none: an Envoy never does, so ' +
      'look who has this address';
    this.end({ because: 'too much', reason });
    this.sink.cut();
    return written;
  }

  #record(
    { node, holdings }: Session,
    kind: ResourceKind,
    { answer, complaint = '' }: { answer: Answer; complaint: string | undefined },
  ): void {
    if (answer.kind !== 'stale') holdings.answered(kind, answer.kind);
    if (answer.kind === 'acknowledged') node.accept(kind, answer.content);
    if (answer.kind === 'refused') {
      const names = [...answer.content.keys()];
      const words = wordsOf(complaint, kind);
      node.refuse(kind, answer.content, words);
      this.context.metrics.nacks.inc({ type: kind });
      const times = this.#complaints.count(`${kind} ${words}`);
      this.context.log[times === 1 ? 'warn' : 'debug'](
        { ...this.#who(), kind, names: names.slice(0, 10), complaint: words, times },
        'an Envoy refused resources and keeps what it held',
      );
    }
    node.touch();
  }

  #who(): { node: string | undefined; address: string } {
    return { node: this.#session?.node.identity.id, address: this.sink.address };
  }
}

/** What the first request for a type tells of what is held, with its version where that is said. */
function broughtBy(wish: Request['wish'], kind: ResourceKind): ReadonlyMap<string, string> {
  // Whoever asks for endpoints has their cluster.
  const asked = 'names' in wish ? wish.names : wish.subscribe;
  const named = kind === 'endpoint' ? asked.map((name) => [name, ''] as const) : [];
  return new Map([...named, ...('held' in wish ? wish.held : [])]);
}

/** Envoy may print what it could not read, and of a secret that is the key. */
function wordsOf(complaint: string, kind: ResourceKind): string {
  return kind === 'secret' ? complaint.replace(/\b(type_url|value) *:.*$/s, '…') : complaint;
}
