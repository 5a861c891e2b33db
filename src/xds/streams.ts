/**
 * All open streams: who may open one, and how they are ended when the control
 * plane stops.
 */
import { Arrivals } from './arrivals.js';
import { Stream, type Ending, type Sink, type StreamContext } from './stream.js';
import { hostOf, Tally } from './tally.js';

/** One stream, as the wire tells of it. */
export interface Incoming {
  receive(bytes: Buffer): void;
  /** It is served no more. May be called again. */
  left(): void;
  /** Nothing of it is kept any more, by the wire neither. May be called again. */
  gone(): void;
}

const stopping: Ending = { because: 'stopping', reason: 'the control plane is stopping' };
const unknown: Ending = {
  because: 'identity',
  reason:
    'a stream takes a client certificate, and none was shown: give this Envoy the one of its ' +
    'role (`mcpx join`), and use it in its bootstrap',
};
const nothing = () => undefined;

export class Streams {
  readonly #open = new Set<Stream>();
  readonly #arrivals: Arrivals;
  #stopping = false;
  readonly #perAddress = new Tally();
  /** Since it was told last, by the first of each kind; one client may open thousands. */
  readonly #refused = new Map<Ending['because'], { sink: Sink; reason: string; streams: number }>();
  readonly #inspecting: NodeJS.Timeout;

  constructor(
    private readonly context: StreamContext,
    private readonly random: () => number = Math.random,
  ) {
    const { limits, clock, nodes } = context;
    this.#arrivals = new Arrivals(context);
    const inspect = () => {
      this.#tellOfRefused();
      this.#arrivals.inspect();
      for (const stream of this.#open) stream.inspect();
      nodes.refusals.review(clock.now() - limits.answerMs);
    };
    const { answerMs, firstRequestMs } = limits;
    this.#inspecting = setInterval(inspect, Math.min(answerMs, firstRequestMs) / 4).unref();
  }

  open(sink: Sink): Incoming {
    const ending = this.#refusalOf(sink);
    if (ending) return this.#refuse(sink, ending);
    let stream: Stream | undefined;
    const arrival = this.#arrivals.open(sink, (said, joined) => {
      stream = new Stream(sink, this.context, joined);
      this.#open.add(stream);
      for (const bytes of said) stream.receive(bytes);
    });
    const host = hostOf(sink.address);
    this.#perAddress.add(host, 1);
    let here = true;
    const left = () => {
      this.#arrivals.leave(arrival);
      if (!stream) return;
      this.#open.delete(stream);
      stream.close();
    };
    return {
      receive: (bytes) => (stream ? stream.receive(bytes) : this.#arrivals.hear(arrival, bytes)),
      left,
      gone: () => {
        left();
        if (here) this.#perAddress.add(host, -1);
        here = false;
      },
    };
  }

  /** Ends all, spread at random, so that those who come back do not come back at once. */
  drain(withinMs: number): void {
    this.#stopping = true;
    this.#arrivals.close(stopping);
    this.context.audiences.stop();
    clearInterval(this.#inspecting);
    // Few streams need no spreading, and whoever stops a small installation is kept waiting.
    const spreadMs = Math.min(withinMs, this.#open.size * 2);
    for (const stream of this.#open)
      setTimeout(() => stream.end(stopping), this.random() * spreadMs);
  }

  #refuse(sink: Sink, { because, reason }: Ending): Incoming {
    if (because !== 'stopping') {
      this.context.metrics.refusedStreams.inc({ reason: because });
      const refused = this.#refused.get(because) ?? { sink, reason, streams: 0 };
      refused.streams += 1;
      this.#refused.set(because, refused);
    }
    sink.end({ because, reason });
    return { receive: nothing, left: nothing, gone: nothing };
  }

  #tellOfRefused(): void {
    for (const { sink, reason, streams } of this.#refused.values())
      this.context.log.warn({ streams, address: sink.address, reason }, 'refused xDS streams');
    this.#refused.clear();
  }

  #refusalOf({ address, peer }: Sink): Ending | undefined {
    const { identity, limits } = this.context;
    const { streamsPerAddress: most } = limits;
    if (this.#stopping) return stopping;
    const host = hostOf(address);
    if (this.#perAddress.of(host) >= most)
      return {
        because: 'too much',
        reason: `${host} has ${most} streams open, and may not more: see xds.limits`,
      };
    // Whatever it will say, it is served nothing: so it need not be heard.
    return identity !== 'any' && !peer ? unknown : undefined;
  }
}
