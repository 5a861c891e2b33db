/**
 * What a legacy client asked of its session as a whole: its log level and the
 * resources it wants to hear of. Told again to every upstream session that is
 * opened later. Kept in this process: after a restart, and in a replica that did
 * not hear it, sessions opened later do without.
 */
import { BoundedMap } from './bounded.js';

const sessionsMax = 10_000;
const urisMax = 1_000;

interface SessionWishes {
  level?: string;
  /** By service. */
  readonly uris: Map<string, Set<string>>;
}

/** By session key. */
export class Wishes {
  readonly #sessions = new BoundedMap<string, SessionWishes>(sessionsMax);

  setLevel(key: string, level: string): void {
    this.#of(key).level = level;
  }

  levelOf(key: string): string | undefined {
    return this.#sessions.get(key)?.level;
  }

  subscribe(key: string, service: string, uri: string): void {
    const { uris } = this.#of(key);
    const known = uris.get(service) ?? new Set();
    uris.set(service, known);
    if (known.size < urisMax) known.add(uri);
  }

  unsubscribe(key: string, service: string, uri: string): void {
    this.#sessions.get(key)?.uris.get(service)?.delete(uri);
  }

  urisOf(key: string, service: string): readonly string[] {
    return [...(this.#sessions.get(key)?.uris.get(service) ?? [])];
  }

  forget(key: string): void {
    this.#sessions.delete(key);
  }

  #of(key: string): SessionWishes {
    const wishes = this.#sessions.get(key) ?? { uris: new Map<string, Set<string>>() };
    this.#sessions.set(key, wishes);
    return wishes;
  }
}
