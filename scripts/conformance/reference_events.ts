/** What a legacy session has sent, so that a client can take up a stream that broke. */
import type { EventStore, JSONRPCMessage } from '@modelcontextprotocol/server';

interface RememberedEvent {
  readonly stream: string;
  readonly message: JSONRPCMessage;
}

/** One for each session; an event's id is its place. */
export class RememberedEvents implements EventStore {
  private readonly events: RememberedEvent[] = [];

  storeEvent(stream: string, message: JSONRPCMessage): Promise<string> {
    this.events.push({ stream, message });
    return Promise.resolve(String(this.events.length - 1));
  }

  getStreamIdForEventId(id: string): Promise<string | undefined> {
    return Promise.resolve(this.events[Number(id)]?.stream);
  }

  async replayEventsAfter(
    id: string,
    { send }: { send: (id: string, message: JSONRPCMessage) => Promise<void> },
  ): Promise<string> {
    const stream = this.events[Number(id)]?.stream ?? '';
    for (const [place, event] of this.events.entries())
      // A priming event holds no message: it only gave the client an id to come back with.
      if (place > Number(id) && event.stream === stream && 'jsonrpc' in event.message)
        await send(String(place), event.message);
    return stream;
  }
}
