/** Server-sent events, as far as MCP uses them: the one parser of `text/event-stream`. */

/** The data of `message` events out of the chunks of a `text/event-stream` body. */
export class EventStream {
  #rest = '';
  #data: string[] = [];
  #type = '';

  /** The data of each event that `chunk` completes. */
  push(chunk: string): string[] {
    const text = this.#rest + chunk;
    // A CR at the end may be half of a CRLF: it waits for the next chunk.
    const held = text.endsWith('\r') ? 1 : 0;
    const lines = text.slice(0, text.length - held).split(/\r\n|\n|\r/);
    this.#rest = (lines.pop() ?? '') + text.slice(text.length - held);
    return lines.flatMap((line) => this.#line(line));
  }

  #line(line: string): string[] {
    if (line === '') return this.#dispatch();
    const [, field = '', value = ''] = /^\uFEFF?([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === 'data') this.#data.push(value);
    else if (field === 'event') this.#type = value;
    return [];
  }

  #dispatch(): string[] {
    const data = this.#data.join('\n');
    const isMessage = this.#type === '' || this.#type === 'message';
    this.#data = [];
    this.#type = '';
    // A priming event (2025-11-25) has an id and empty data: nothing to say.
    return isMessage && data !== '' ? [data] : [];
  }
}
