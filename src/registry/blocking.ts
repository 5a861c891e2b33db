/**
 * Consul's blocking queries, followed for ever: each asks for what is newer
 * than the index of the answer before. After a failure, and when the index
 * went backwards, everything is asked for anew.
 */
import { EventEmitter } from 'node:events';
import { z } from 'zod';
import { reasonOf } from '../errors.js';
import { Backoff } from './backoff.js';

/** What the `consul` package takes on every query; its types leave these out. */
export interface BlockingOptions {
  readonly index: string;
  readonly wait: string;
  readonly timeout: number;
  /** Emits `cancel` to end the request. */
  readonly ctx: EventEmitter;
}

interface Following {
  /** Answers `[response, data]`, as the package does for a `ctx` with `includeResponse`. */
  query(options: BlockingOptions): Promise<unknown>;
  heard(data: unknown): void;
  failed(reason: string): void;
}

const waitSeconds = 30;
/** Consul adds up to a sixteenth of the wait, and the answer has to travel. */
const timeoutMs = waitSeconds * 1_000 + 5_000;

const answerSchema = z.tuple(
  [z.looseObject({ headers: z.record(z.string(), z.unknown()) })],
  z.unknown(),
);

export async function follow(following: Following, signal: AbortSignal): Promise<void> {
  const backoff = new Backoff();
  let index = 0n;
  while (!signal.aborted) {
    try {
      const answer = await ask(following, index, signal);
      if (answer === undefined) return;
      following.heard(answer.data);
      backoff.reset();
      index = answer.index < index ? 0n : answer.index;
    } catch (error) {
      following.failed(consulReason(error));
      index = 0n;
      await backoff.wait(signal);
    }
  }
}

/** What Consul said was wrong, where it said so. */
export function consulReason(error: unknown): string {
  const said = z.object({ response: z.object({ body: z.string() }) }).safeParse(error);
  const detail = said.success ? said.data.response.body.trim() : '';
  return detail === '' ? reasonOf(error) : `${reasonOf(error)}: ${detail}`;
}

/** Undefined when `signal` was aborted meanwhile. */
async function ask(
  following: Following,
  index: bigint,
  signal: AbortSignal,
): Promise<{ readonly index: bigint; readonly data: unknown } | undefined> {
  const ctx = Object.assign(new EventEmitter(), { includeResponse: true });
  const cancel = (): void => void ctx.emit('cancel');
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const answer: unknown = await following.query({
      index: index.toString(),
      wait: `${waitSeconds}s`,
      timeout: timeoutMs,
      ctx,
    });
    if (signal.aborted) return undefined;
    const [response, data] = answerSchema.parse(answer);
    const answered = BigInt(z.string().regex(/^\d+$/).parse(response.headers['x-consul-index']));
    // With index 0 the next query would not block, and this would ask without pause.
    if (answered === 0n) throw new Error('Consul answered with index 0');
    return { index: answered, data };
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}
