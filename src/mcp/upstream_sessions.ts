/**
 * The one answer to "which upstream session does this client session have at
 * that service": renewed or opened here, else sealed in its id, else opened now.
 */
import { randomUUID } from 'node:crypto';
import { sessionHeader } from '../gateway_contract.js';
import { openLegacy, type ClientInfo } from '../mcp_client/conversation.js';
import {
  deleteSession,
  exchange,
  failureText,
  type Limits,
  type Target,
} from '../mcp_client/streamable.js';
import type { JsonObject } from '../mcp_wire.js';
import { BoundedMap } from './bounded.js';
import type { OpenSession, UpstreamSession } from './session.js';
import { Wishes } from './wishes.js';

export type Obtained =
  | { readonly ok: true; readonly upstream: UpstreamSession }
  | { readonly ok: false; readonly reason: string };

type Fresh =
  | (Extract<Obtained, { ok: true }> & { readonly capabilities: JsonObject })
  | Extract<Obtained, { ok: false }>;

/** What a server is told at `initialize`. */
interface Introduction {
  readonly client: ClientInfo;
  readonly protocolVersion: string;
}

const sessionsMax = 10_000;
const lazyDeadlineMs = 5_000;
const endDeadlineMs = 5_000;
const askDeadlineMs = 2_000;

const servicesMax = 10_000;
const forgetfulMs = 60_000;

interface Forgetful {
  readonly says400: boolean;
  /** When it is asked again. */
  readonly until: number;
}

interface Remembered {
  readonly opening: Promise<Obtained>;
  /** Present once the opening succeeded. */
  upstream?: UpstreamSession;
}

type Told = (service: string) => void;

export class UpstreamSessions {
  readonly wishes = new Wishes();
  /** By session key, then by service. */
  readonly #remembered = new BoundedMap<string, Map<string, Remembered>>(sessionsMax);
  /**
   * By service. One that answers 400 to a session it forgot would leave its clients
   * stuck in lane 2, where nobody reads the answer: its calls take lane 3.
   */
  readonly #forgetful = new BoundedMap<string, Forgetful>(servicesMax);
  /** By session key: who wants to know of sessions opened from now on. */
  readonly #watchers = new Map<string, Told>();

  constructor(private readonly targetOf: (service: string) => Target) {}

  /** Without opening anything; undefined when one would have to be opened. */
  known({ key, state }: OpenSession, service: string): UpstreamSession | undefined {
    const sealed = Object.hasOwn(state.upstreams, service) ? state.upstreams[service] : undefined;
    return this.#remembered.get(key)?.get(service)?.upstream ?? sealed;
  }

  /** The same, but only where a call may go straight to the server (lane 2). */
  knownStraight(session: OpenSession, service: string): UpstreamSession | undefined {
    const upstream = this.known(session, service);
    if (upstream === undefined || upstream.id === null) return upstream;
    this.#learnHowItForgets(service, upstream);
    return this.#forgetful.get(service)?.says400 ? undefined : upstream;
  }

  /** All that are open, by service. */
  all(session: OpenSession): ReadonlyMap<string, UpstreamSession> {
    const remembered = this.#remembered.get(session.key)?.keys() ?? [];
    const services = new Set([...Object.keys(session.state.upstreams), ...remembered]);
    return new Map(
      [...services].flatMap((service) => {
        const upstream = this.known(session, service);
        return upstream === undefined ? [] : [[service, upstream] as const];
      }),
    );
  }

  /** One watcher a session: the newest. */
  watch({ key }: OpenSession, told: Told, until: AbortSignal): void {
    this.#watchers.set(key, told);
    const leave = () => {
      if (this.#watchers.get(key) === told) this.#watchers.delete(key);
    };
    until.addEventListener('abort', leave, { once: true });
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

  /**
   * Whether the server that answered `status` forgot the session. 404 says so; many
   * servers say 400, as they do of a bad request, so they are asked once more.
   */
  async isGone(service: string, upstream: UpstreamSession, status: number): Promise<boolean> {
    if (upstream.id === null) return false;
    if (status !== 400) return status === 404;
    const again = await this.#ping(service, upstream);
    return again === 400 || again === 404;
  }

  /** Found out once a minute, with an id that no server can know. */
  #learnHowItForgets(service: string, upstream: UpstreamSession): void {
    const known = this.#forgetful.get(service);
    if (performance.now() < (known?.until ?? 0)) return;
    const until = performance.now() + forgetfulMs;
    this.#forgetful.set(service, { until, says400: known?.says400 ?? false });
    const stranger = { ...upstream, id: `mcpx-${randomUUID()}` };
    void this.#ping(service, stranger).then((status) => {
      if (status !== undefined) this.#forgetful.set(service, { until, says400: status === 400 });
    });
  }

  /** The HTTP status of its refusal, 200 when it answers, undefined when it is away. */
  async #ping(service: string, upstream: UpstreamSession): Promise<number | undefined> {
    const ping = { id: 'mcpx-ping', method: 'ping' };
    const limits = { deadlineMs: askDeadlineMs };
    const answer = await exchange(this.targetOf(service), ping, headersOf(upstream), limits);
    if (answer.kind === 'refused') return answer.status;
    return answer.kind === 'answered' ? 200 : undefined;
  }

  async #openOnce(session: OpenSession, service: string): Promise<Obtained> {
    const { key } = session;
    const services = this.#remembered.get(key) ?? new Map<string, Remembered>();
    this.#remembered.set(key, services);
    const pending = services.get(service);
    if (pending !== undefined) return pending.opening;
    const remembered: Remembered = { opening: this.#openFully(session, service) };
    services.set(service, remembered);
    const obtained = await remembered.opening;
    if (obtained.ok) {
      remembered.upstream = obtained.upstream;
      this.#watchers.get(key)?.(service);
    } else services.delete(service);
    return obtained;
  }

  /** With all that the client asked of its session before. */
  async #openFully({ key, state }: OpenSession, service: string): Promise<Obtained> {
    const fresh = await this.#introduce(service, state, { deadlineMs: lazyDeadlineMs });
    if (!fresh.ok) return fresh;
    const { upstream, capabilities } = fresh;
    const level = 'logging' in capabilities ? this.wishes.levelOf(key) : undefined;
    const wishes = [
      ...(level === undefined ? [] : [{ method: 'logging/setLevel', params: { level } }]),
      ...this.wishes
        .urisOf(key, service)
        .map((uri) => ({ method: 'resources/subscribe', params: { uri } })),
    ];
    // Together, and whatever comes of it: a call waits for this.
    await Promise.all(
      wishes.map(async (wish, at) =>
        exchange(this.targetOf(service), { id: `mcpx-${at}`, ...wish }, headersOf(upstream), {
          deadlineMs: askDeadlineMs,
        }),
      ),
    );
    return { ok: true, upstream };
  }

  async open(service: string, introduction: Introduction, limits: Limits): Promise<Obtained> {
    return this.#introduce(service, introduction, limits);
  }

  /**
   * The client's capabilities (sampling, elicitation, roots) stay here. What a server
   * asks on the stream of a call reaches the client in lane 2 unchanged, and the
   * client's answer has only the id to route it by: ids of several servers collide.
   * Rewriting them belongs to the issue about requests of servers.
   */
  async #introduce(
    service: string,
    { client, protocolVersion }: Introduction,
    limits: Limits,
  ): Promise<Fresh> {
    const opened = await openLegacy(this.targetOf(service), client, limits, protocolVersion);
    if (!opened.ok) return { ok: false, reason: `it ${failureText(opened.failure)}` };
    const { sessionId, protocolVersion: negotiated, capabilities } = opened.session;
    const upstream = { id: sessionId ?? null, protocolVersion: negotiated };
    return { ok: true, upstream, capabilities };
  }

  /** Ends all of them at their servers, without anyone waiting. */
  end({ key, state }: OpenSession): void {
    const opened = [...(this.#remembered.get(key) ?? [])].flatMap(([service, { upstream }]) =>
      upstream === undefined ? [] : [[service, upstream] as const],
    );
    this.#remembered.delete(key);
    this.wishes.forget(key);
    for (const [service, upstream] of [...Object.entries(state.upstreams), ...opened]) {
      if (upstream.id === null) continue;
      const limits = { deadlineMs: endDeadlineMs };
      void deleteSession(this.targetOf(service), headersOf(upstream), limits);
    }
  }
}

/** What puts a message into `upstream`. */
export function headersOf({ id, protocolVersion }: UpstreamSession): Record<string, string> {
  const version = { 'mcp-protocol-version': protocolVersion };
  return id === null ? version : { ...version, [sessionHeader]: id };
}
