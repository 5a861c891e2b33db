/**
 * Streams on which services tell that their lists changed: one to each service
 * that promises to tell, opened again when it breaks. A server that refuses is
 * left alone until it is followed anew a refresh later.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Catalogue, Era } from '../fleet/fleet.js';
import type { Log } from '../log.js';
import { closeSession, listenRequest, type Wanted } from '../mcp_client/conversation.js';
import { listen, type ListenEnd, type Listener } from '../mcp_client/listening.js';
import { failureText, type Target } from '../mcp_client/streamable.js';
import { isObject, type JsonObject } from '../mcp_wire.js';
import { openers } from './opening.js';
import { backoffMs, refreshMs } from './timing.js';

/** Whom to listen to, in which era, for what. */
export interface Speaker {
  readonly target: Target;
  readonly era: Era;
  readonly wanted: Wanted;
}

interface Stream {
  /** Another one means another speaker. */
  readonly key: string;
  /** By which it is reached: another one shows another certificate. */
  readonly agent: Target['agent'];
  readonly calledOff: AbortController;
  /** When the server refused to stream, by `performance.now()`. */
  refusedAt: number | undefined;
}

const streamsMax = 1_000;
const limits = { deadlineMs: 5_000 };
/** A stream that lasted this long was no failure. */
const steadyMs = 30_000;
/** A server that talks without end is read this many messages at a time. */
const messagesInARow = 100;
const breathMs = 1_000;

/** Undefined when the server promises to tell of nothing. */
export function speakerAt(target: Target, catalogue: Catalogue): Speaker | undefined {
  const { capabilities, eras } = catalogue;
  const [era] = eras;
  const tells = (list: string): boolean => {
    const capability = capabilities[list];
    return isObject(capability) && capability['listChanged'] === true;
  };
  const wanted: Wanted = {
    ...(tells('tools') && { toolsListChanged: true }),
    ...(tells('prompts') && { promptsListChanged: true }),
    ...(tells('resources') && { resourcesListChanged: true }),
  };
  return era !== undefined && Object.keys(wanted).length > 0 ? { target, era, wanted } : undefined;
}

export class Notices {
  readonly #streams = new Map<string, Stream>();

  /** `changed` is called when a service's lists changed, or may have unheard. */
  constructor(
    private readonly changed: (service: string) => void,
    private readonly log: Log,
  ) {}

  /** Listens to this speaker for the service from now on; a stream to the same one stays. */
  follow(service: string, speaker: Speaker | undefined): void {
    const { agent, ...target } = speaker?.target ?? {};
    const key = JSON.stringify({ ...speaker, target });
    const present = this.#streams.get(service);
    const isSame = present?.key === key && present.agent === agent;
    if (isSame && !mayBeAskedAgain(present)) return;
    this.forget(service);
    if (speaker === undefined || this.#isFull()) return;
    const stream = { key, agent, calledOff: new AbortController(), refusedAt: undefined };
    this.#streams.set(service, stream);
    void this.#keepOpen(service, speaker, stream);
  }

  forget(service: string): void {
    this.#streams.get(service)?.calledOff.abort();
    this.#streams.delete(service);
  }

  close(): void {
    for (const service of [...this.#streams.keys()]) this.forget(service);
  }

  #isFull(): boolean {
    const open = [...this.#streams.values()].filter(({ refusedAt }) => refusedAt === undefined);
    return open.length >= streamsMax;
  }

  async #keepOpen(service: string, speaker: Speaker, stream: Stream): Promise<void> {
    const { signal } = stream.calledOff;
    const changed = () => {
      if (!signal.aborted) this.changed(service);
    };
    let failures = 0;
    while (!signal.aborted) {
      const startedAt = performance.now();
      const { refused, reason } = await hear(speaker, changed, signal);
      this.log.debug({ service, refused, reason }, 'stream of changes ended');
      // The server may have been started anew, as another.
      if (!refused || failures > 0) changed();
      if (refused) {
        stream.refusedAt = performance.now();
        return;
      }
      failures = performance.now() - startedAt > steadyMs ? 1 : failures + 1;
      await delay(backoffMs(failures), undefined, { signal }).catch(() => undefined);
    }
  }
}

function mayBeAskedAgain({ refusedAt }: Stream): boolean {
  return refusedAt !== undefined && performance.now() - refusedAt > refreshMs;
}

interface Heard {
  /** It does not stream, and would not if asked again. */
  readonly refused: boolean;
  readonly reason: string;
}

/** One stream from its beginning to its end, in a session of its own. */
async function hear(
  { target, era, wanted }: Speaker,
  changed: () => void,
  signal: AbortSignal,
): Promise<Heard> {
  const opened = await openers[era](target, { ...limits, signal });
  if (!opened.ok) return { refused: false, reason: failureText(opened.failure) };
  const { session } = opened;
  const listener = new ChangeListener(era, changed, signal);
  const end = await listen(target, listenRequest(session, wanted), listener, { signal });
  void closeSession(session, limits);
  if (listener.honoursNothing) return { refused: true, reason: 'it tells of none of its lists' };
  return { refused: isRefusal(end), reason: reasonOf(end) };
}

/** 404 and 405 to the GET, -32601 to the listen, an answer that is no stream: no hiccup. */
function isRefusal(end: ListenEnd): boolean {
  if (end.kind === 'not_mcp') return true;
  return end.kind === 'refused' && end.status !== 429 && (end.status < 500 || end.status === 501);
}

function reasonOf(end: ListenEnd): string {
  if (end.kind === 'called_off') return 'called off';
  return end.kind === 'closed' ? end.reason : failureText(end);
}

class ChangeListener implements Listener {
  /** A modern server acknowledged nothing of what was wanted. */
  honoursNothing = false;
  #inARow = 0;

  constructor(
    private readonly era: Era,
    private readonly changed: () => void,
    private readonly signal: AbortSignal,
  ) {}

  /** What changed before the stream stood was not told; modern servers say when it does. */
  opened(): void {
    if (this.era === 'legacy') this.changed();
  }

  message(message: JsonObject): void | Promise<void> {
    this.#take(message);
    this.#inARow = (this.#inARow + 1) % messagesInARow;
    if (this.#inARow > 0) return;
    return delay(breathMs, undefined, { signal: this.signal }).catch(() => undefined);
  }

  #take({ method, params }: JsonObject): void {
    if (typeof method !== 'string') return;
    if (method === 'notifications/subscriptions/acknowledged') {
      const honoured = isObject(params) ? params['notifications'] : undefined;
      this.honoursNothing = isObject(honoured) && Object.keys(honoured).length === 0;
      if (!this.honoursNothing) this.changed();
    } else if (/^notifications\/(tools|prompts|resources)\/list_changed$/.test(method))
      this.changed();
  }
}
