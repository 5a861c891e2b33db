/**
 * What one client was sent and has not taken from the wire. It is to have one
 * response of a type, since it answers that before it gets the next; one that
 * acknowledges what it has not read would make all its responses wait here.
 */
import type { ResourceKind } from '../snapshot/snapshot.js';

export class Unread {
  readonly #responses = new Map<ResourceKind, number>();

  of(kind: ResourceKind): number {
    return this.#responses.get(kind) ?? 0;
  }

  /** Gives the way to say that it was taken. */
  sent(kind: ResourceKind): () => void {
    this.#responses.set(kind, this.of(kind) + 1);
    return () => void this.#responses.set(kind, this.of(kind) - 1);
  }
}
