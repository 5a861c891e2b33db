/** Server-sent events, as far as MCP uses them: the one parser of `text/event-stream`. */

export interface StreamEvent {
  readonly data: string;
  /** What `Last-Event-ID` would name it by. */
  readonly id: string | undefined;
}

/** The data of `message` events out of the chunks of a `text/event-stream` body. */
export class EventStream {
  #rest = '';
  #data: string[] = [];
  #dataLength = 0;
  #type = '';
  #id: string | undefined;

  /** The id to resume after: that of the newest event, also of one without data. */
  get lastEventId(): string | undefined {
    return this.#id;
  }

  /** How much of an event that is not complete yet is held, in characters. */
  get heldLength(): number {
    return this.#rest.length + this.#dataLength;
  }

  /** The data of each event that `chunk` completes. */
  push(chunk: string): string[] {
    return this.events(chunk).map(({ data }) => data);
  }

  /** Each event that `chunk` completes. */
  events(chunk: string): StreamEvent[] {
    // A long line arrives in many chunks: it is looked through once, not once a chunk.
    if (!this.#rest.endsWith('\r') && !/[\r\n]/.test(chunk)) {
      this.#rest += chunk;
      return [];
    }
    const text = this.#rest + chunk;
    // A CR at the end may be half of a CRLF: it waits for the next chunk.
    const held = text.endsWith('\r') ? 1 : 0;
    const lines = text.slice(0, text.length - held).split(/\r\n|\n|\r/);
    this.#rest = (lines.pop() ?? '') + text.slice(text.length - held);
    return lines.flatMap((line) => this.#line(line));
  }

  #line(line: string): StreamEvent[] {
    if (line === '') return this.#dispatch();
    const [, field = '', value = ''] = /^\uFEFF?([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === 'data') {
      this.#data.push(value);
      this.#dataLength += value.length;
    } else if (field === 'event') this.#type = value;
    else if (field === 'id') this.#id = value;
    return [];
  }

  #dispatch(): StreamEvent[] {
    const data = this.#data.join('\n');
    const isMessage = this.#type === '' || this.#type === 'message';
    this.#data = [];
    this.#dataLength = 0;
    this.#type = '';
    // A priming event (2025-11-25) has an id and empty data: nothing to say.
    return isMessage && data !== '' ? [{ data, id: this.#id }] : [];
  }
}
