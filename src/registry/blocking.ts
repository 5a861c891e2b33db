/**
 * Consul's blocking queries, followed for ever: each asks for what is newer
 * than the index of the answer before. After a failure, and when the index
 * went backwards, everything is asked for anew.
 */
import { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { reasonOf } from '../errors.js';
import { Backoff } from '../backoff.js';
import { Pace, type PaceLimits } from './pace.js';

/** What the `consul` package takes on every query; its types leave these out. */
export interface BlockingOptions {
  /** Left out, the query is answered at once. */
  readonly index?: string;
  readonly wait?: string;
  readonly timeout: number;
  /** Emits `cancel` to end the request. */
  readonly ctx: EventEmitter;
}

/** Answers `[response, data]`, as the package does for a `ctx` with `includeResponse`. */
export type BlockingQuery = (options: BlockingOptions) => Promise<unknown>;

export interface Answer {
  readonly index: bigint;
  readonly data: unknown;
  readonly leaderless: boolean;
}

interface Following {
  readonly query: BlockingQuery;
  heard(answer: Answer): void;
  failed(reason: string): void;
  /** How fast its answers are asked for, when there are many. */
  readonly pace: PaceLimits;
  /** The catalogue: an index that goes backwards, or no leader, means that Consul is lost. */
  readonly onlyGrows?: boolean;
}

/** How long Consul may stay silent. A half-open connection is found soon after. */
const waitSeconds = 10;
/** Consul adds up to a sixteenth of the wait, and the answer has to travel. */
const timeoutMs = waitSeconds * 1_000 + 3_000;
/** For what Consul answers at once. */
export const callMs = 5_000;
const shownMax = 200;

const answerSchema = z.tuple(
  [z.looseObject({ headers: z.record(z.string(), z.unknown()) })],
  z.unknown(),
);

export async function follow(following: Following, signal: AbortSignal): Promise<void> {
  const backoff = new Backoff();
  const pace = new Pace(following.pace);
  let index = 0n;
  while (!signal.aborted) {
    try {
      const blocking = { index: index.toString(), wait: `${waitSeconds}s`, timeout: timeoutMs };
      const answer = await ask(following.query, blocking, signal);
      if (answer === undefined) return;
      if (answer.leaderless && following.onlyGrows === true)
        throw new Error('Consul has no leader');
      if (answer.index < index && following.onlyGrows === true)
        throw new Error(`Consul's index went backwards, from ${index} to ${answer.index}`);
      following.heard(answer);
      backoff.reset();
      index = answer.index < index ? 0n : answer.index;
      await pause(pace.pauseMs(performance.now()), signal);
    } catch (error) {
      following.failed(consulReason(error));
      index = 0n;
      await backoff.wait(signal);
    }
  }
}

/** One answer, at once. Undefined when `signal` was aborted meanwhile. */
export async function askOnce(
  query: BlockingQuery,
  signal: AbortSignal,
): Promise<Answer | undefined> {
  return ask(query, { timeout: callMs }, signal);
}

/** What Consul said was wrong, where it said so. */
export function consulReason(error: unknown): string {
  if (error instanceof z.ZodError) {
    const [issue] = error.issues;
    const place = issue === undefined ? '' : issue.path.map(String).join('.');
    return `Consul's answer is not one of its own: ${place} ${issue?.message ?? ''}`.trim();
  }
  const said = z.object({ response: z.object({ body: z.string() }) }).safeParse(error);
  const detail = said.success ? said.data.response.body.trim().slice(0, shownMax) : '';
  return detail === '' || detail === reasonOf(error)
    ? reasonOf(error)
    : `${reasonOf(error)}: ${detail}`;
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds > 0) await delay(milliseconds, undefined, { signal }).catch(() => undefined);
}

async function ask(
  query: BlockingQuery,
  options: Omit<BlockingOptions, 'ctx'>,
  signal: AbortSignal,
): Promise<Answer | undefined> {
  const ctx = Object.assign(new EventEmitter(), { includeResponse: true });
  const cancel = (): void => void ctx.emit('cancel');
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const answer: unknown = await query({ ...options, ctx });
    if (signal.aborted) return undefined;
    const [{ headers }, data] = answerSchema.parse(answer);
    const answered = BigInt(z.string().regex(/^\d+$/).parse(headers['x-consul-index']));
    // With index 0 the next query would not block, and this would ask without pause.
    if (answered === 0n) throw new Error('Consul answered with index 0');
    // Health queries that wait are answered from a stream, which never knows of a leader.
    const leaderless = headers['x-consul-knownleader'] === 'false';
    return { index: answered, data, leaderless };
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}
