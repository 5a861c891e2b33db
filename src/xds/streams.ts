/**
 * All open streams: who may open one, and how they are ended when the control
 * plane stops.
 */
import { Admission } from './admission.js';
import { Stream, type Ending, type Sink, type StreamContext } from './stream.js';

/** Called with the stream once it is admitted; until then nothing of it is read. */
type Begin = (stream: Stream) => void;

const stopping: Ending = { because: 'stopping', reason: 'the control plane is stopping' };

export class Streams {
  readonly #open = new Set<Stream>();
  /** Not admitted yet. */
  readonly #waiting = new Set<Sink>();
  #stopping = false;
  readonly #perAddress = new Map<string, number>();
  readonly #admission: Admission;
  readonly #inspecting: NodeJS.Timeout;

  constructor(private readonly context: StreamContext) {
    const { limits, clock, nodes } = context;
    this.#admission = new Admission(limits, clock);
    const inspect = () => {
      for (const stream of this.#open) stream.inspect();
      nodes.refusals.review(clock.now() - limits.answerMs);
    };
    this.#inspecting = setInterval(inspect, limits.answerMs / 4).unref();
  }

  /** Gives the way to say that it has closed. */
  open(sink: Sink, begin: Begin): () => void {
    const host = hostOf(sink.address);
    const { streamsPerAddress, admissionQueue } = this.context.limits;
    if ((this.#perAddress.get(host) ?? 0) >= streamsPerAddress)
      return this.#refuse(sink, `${host} has ${streamsPerAddress} streams open, and may not more`);
    if (this.#stopping) return this.#turnAway(sink);
    let stream: Stream | undefined;
    const entry = this.#admission.enter(() => {
      this.#waiting.delete(sink);
      stream = new Stream(sink, this.context, () => entry?.done());
      this.#open.add(stream);
      begin(stream);
    });
    if (!entry)
      return this.#refuse(sink, `${admissionQueue} streams wait to begin already; try again`);
    this.#count(host, 1);
    if (!stream) this.#waiting.add(sink);
    let closed = false;
    return () => {
      if (closed) return;
      closed = true;
      this.#count(host, -1);
      this.#waiting.delete(sink);
      entry.done();
      if (!stream) return;
      this.#open.delete(stream);
      stream.close();
    };
  }

  /** Ends all, spread at random, so that those who come back do not come back at once. */
  drain(withinMs: number): void {
    this.#stopping = true;
    for (const sink of this.#waiting) sink.end(stopping);
    this.#waiting.clear();
    this.context.audiences.stop();
    this.#admission.close();
    clearInterval(this.#inspecting);
    // Few streams need no spreading, and whoever stops a small installation is kept waiting.
    const spreadMs = Math.min(withinMs, this.#open.size * 2);
    for (const stream of this.#open)
      setTimeout(() => stream.end(stopping), Math.random() * spreadMs);
  }

  #turnAway(sink: Sink): () => void {
    sink.end(stopping);
    return () => undefined;
  }

  #refuse(sink: Sink, reason: string): () => void {
    this.context.metrics.refusedStreams.inc({ reason: 'too much' });
    sink.end({ because: 'too much', reason });
    return () => undefined;
  }

  #count(host: string, difference: 1 | -1): void {
    const streams = (this.#perAddress.get(host) ?? 0) + difference;
    if (streams > 0) this.#perAddress.set(host, streams);
    else this.#perAddress.delete(host);
  }
}

/** `127.0.0.1:5000` → `127.0.0.1`. */
const hostOf = (address: string) => address.slice(0, Math.max(0, address.lastIndexOf(':')));
