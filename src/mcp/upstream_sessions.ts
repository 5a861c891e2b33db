/**
 * The one answer to "which upstream session does this client session have at
 * that service": renewed or opened here, else sealed in its id, else opened now.
 */
import { openLegacy, type ClientInfo } from '../conversation.js';
import { sessionHeader } from '../gateway_contract.js';
import { deleteSession, failureText, type Limits, type Target } from '../streamable.js';
import { BoundedMap } from './bounded.js';
import type { OpenSession, UpstreamSession } from './session.js';

export type Obtained =
  | { readonly ok: true; readonly upstream: UpstreamSession }
  | { readonly ok: false; readonly reason: string };

/** What a server is told at `initialize`. */
interface Introduction {
  readonly client: ClientInfo;
  readonly protocolVersion: string;
}

const sessionsMax = 10_000;
const lazyDeadlineMs = 5_000;
const endDeadlineMs = 5_000;

interface Remembered {
  readonly opening: Promise<Obtained>;
  /** Present once the opening succeeded. */
  upstream?: UpstreamSession;
}

export class UpstreamSessions {
  /** By session key, then by service. */
  readonly #remembered = new BoundedMap<string, Map<string, Remembered>>(sessionsMax);

  constructor(private readonly targetOf: (service: string) => Target) {}

  /** Without opening anything; undefined when one would have to be opened. */
  known({ key, state }: OpenSession, service: string): UpstreamSession | undefined {
    const sealed = Object.hasOwn(state.upstreams, service) ? state.upstreams[service] : undefined;
    return this.#remembered.get(key)?.get(service)?.upstream ?? sealed;
  }

  async obtain(session: OpenSession, service: string): Promise<Obtained> {
    const upstream = this.known(session, service);
    if (upstream !== undefined) return { ok: true, upstream };
    return this.#openOnce(session, service);
  }

  /** The server does not know `stale` any more. */
  async renew(session: OpenSession, service: string, stale: UpstreamSession): Promise<Obtained> {
    const present = this.known(session, service);
    // Another call may have renewed it meanwhile.
    if (present !== undefined && present.id !== stale.id) return { ok: true, upstream: present };
    const services = this.#remembered.get(session.key);
    if (services?.get(service)?.upstream?.id === stale.id) services.delete(service);
    return this.#openOnce(session, service);
  }

  async #openOnce({ key, state }: OpenSession, service: string): Promise<Obtained> {
    const services = this.#remembered.get(key) ?? new Map<string, Remembered>();
    this.#remembered.set(key, services);
    const pending = services.get(service);
    if (pending !== undefined) return pending.opening;
    const remembered: Remembered = {
      opening: this.open(service, state, { deadlineMs: lazyDeadlineMs }),
    };
    services.set(service, remembered);
    const obtained = await remembered.opening;
    if (obtained.ok) remembered.upstream = obtained.upstream;
    else services.delete(service);
    return obtained;
  }

  /** The client's capabilities (sampling, roots, …) stay here: servers could not ask it yet. */
  async open(
    service: string,
    { client, protocolVersion }: Introduction,
    limits: Limits,
  ): Promise<Obtained> {
    const opened = await openLegacy(this.targetOf(service), client, limits, protocolVersion);
    if (!opened.ok) return { ok: false, reason: `it ${failureText(opened.failure)}` };
    const { sessionId, protocolVersion: negotiated } = opened.session;
    const upstream = { id: sessionId ?? null, protocolVersion: negotiated };
    return { ok: true, upstream };
  }

  /** Ends all of them at their servers, without anyone waiting. */
  end({ key, state }: OpenSession): void {
    const opened = [...(this.#remembered.get(key) ?? [])].flatMap(([service, { upstream }]) =>
      upstream === undefined ? [] : [[service, upstream] as const],
    );
    this.#remembered.delete(key);
    for (const [service, { id, protocolVersion }] of [
      ...Object.entries(state.upstreams),
      ...opened,
    ]) {
      if (id === null) continue;
      const headers = { [sessionHeader]: id, 'mcp-protocol-version': protocolVersion };
      void deleteSession(this.targetOf(service), headers, { deadlineMs: endDeadlineMs });
    }
  }
}
