/**
 * Streams that are open and not served yet. Opening one costs a client nothing,
 * so it gets a place in the queue only with its first request; one that says
 * nothing is ended. What is said in the meantime is kept, up to a limit.
 */
import { Admission, type Entry } from './admission.js';
import type { Ending, Sink, StreamContext } from './stream.js';
import { hostOf, Tally } from './tally.js';

/** Called when it may be served, with what it has said; `joined` is to be called afterwards. */
type Admitted = (said: readonly Buffer[], joined: () => void) => void;

export interface Arrival {
  readonly sink: Sink;
  readonly admitted: Admitted;
  readonly openedAt: number;
  readonly said: Buffer[];
  bytes: number;
  entry: Entry | undefined;
}

export class Arrivals {
  /** The oldest first. */
  readonly #silent = new Set<Arrival>();
  /** Have spoken, and are not admitted yet. */
  readonly #waiting = new Set<Arrival>();
  /** What is kept of what was said. */
  readonly #kept = new Tally();
  readonly #admission: Admission;

  constructor(private readonly context: StreamContext) {
    this.#admission = new Admission(context.limits, context.clock);
  }

  open(sink: Sink, admitted: Admitted): Arrival {
    const openedAt = this.context.clock.now();
    const arrival = { sink, admitted, openedAt, said: [], bytes: 0, entry: undefined };
    this.#silent.add(arrival);
    return arrival;
  }

  hear(arrival: Arrival, bytes: Buffer): void {
    const isFirst = this.#silent.delete(arrival);
    if (isFirst) this.#waiting.add(arrival);
    if (!this.#waiting.has(arrival) || !this.#keep(arrival, bytes) || !isFirst) return;
    const { admissionQueue } = this.context.limits;
    const { address } = arrival.sink;
    const entry = this.#admission.enter(address, (begun) => this.#admit(arrival, begun));
    const reason = `${admissionQueue} streams wait to begin already: try again, or elsewhere`;
    if (!entry) this.#refuse(arrival, { because: 'too much', reason });
    else if (this.#waiting.has(arrival)) arrival.entry = entry;
  }

  /** It is not to be served any more. */
  leave(arrival: Arrival): void {
    this.#silent.delete(arrival);
    this.#release(arrival);
    arrival.entry?.done();
  }

  /** Ends those that have said nothing for long. */
  inspect(): void {
    const { clock, limits, log } = this.context;
    const since = clock.now() - limits.firstRequestMs;
    const late: Arrival[] = [];
    for (const arrival of this.#silent) {
      if (arrival.openedAt > since) break;
      late.push(arrival);
    }
    const reason = `no request came within ${limits.firstRequestMs} ms: the first says who you are`;
    for (const arrival of late) this.#refuse(arrival, { because: 'invalid', reason });
    const [first] = late;
    // They may be thousands, and one client's.
    if (first)
      log.warn(
        { streams: late.length, address: first.sink.address },
        'ended xDS streams on which no request came: look who opens them, and whether it is Envoy',
      );
  }

  close(ending: Ending): void {
    this.#admission.close();
    for (const arrival of [...this.#silent, ...this.#waiting]) {
      this.leave(arrival);
      arrival.sink.end(ending);
    }
  }

  #admit(arrival: Arrival, entry: Entry): void {
    arrival.entry = entry;
    this.#release(arrival);
    arrival.admitted(arrival.said.splice(0), () => entry.done());
  }

  #keep(arrival: Arrival, bytes: Buffer): boolean {
    const { waitingBytesPerAddress: most } = this.context.limits;
    arrival.said.push(bytes);
    arrival.bytes += bytes.length;
    const host = hostOf(arrival.sink.address);
    if (this.#kept.add(host, bytes.length) <= most) return true;
    const reason = `streams of ${host} that wait to begin have said ${most} bytes: try again`;
    this.#refuse(arrival, { because: 'too much', reason });
    return false;
  }

  #release(arrival: Arrival): void {
    if (!this.#waiting.delete(arrival)) return;
    this.#kept.add(hostOf(arrival.sink.address), -arrival.bytes);
  }

  #refuse(arrival: Arrival, ending: Ending): void {
    this.leave(arrival);
    arrival.said.length = 0;
    this.context.metrics.refusedStreams.inc({ reason: ending.because });
    arrival.sink.end(ending);
  }
}
