/** The admin API over HTTP: answers are decoded once, problem details become readable failures. */
import { userInfo } from 'node:os';
import { z } from 'zod';
import {
  callAdmin,
  type AdminAnswer,
  type AdminCall,
  type Credentials,
} from '../admin_client/call.js';
import { reasonOf } from '../errors.js';
import type { Invocation } from './command.js';
import { Failure, Unreachable } from './failure.js';
import { adminUrl, credentialsFor } from './settings.js';
import { plain } from './table.js';

const deadlineMs = 15_000;

const problemDetails = z.object({
  title: z.string(),
  detail: z.string(),
  problems: z.array(z.object({ path: z.string().optional(), message: z.string() })).default([]),
});

interface Told<T> {
  readonly value: T;
  /** The API's JSON, as it came. */
  readonly json: string;
}

interface Sent {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
}

export class AdminClient {
  /** `credentials` are read when the first request is sent. */
  constructor(
    readonly url: string,
    private readonly credentials: () => Credentials | Promise<Credentials> = () => ({}),
  ) {}

  get<T>(path: string, schema: z.ZodType<T>): Promise<Told<T>> {
    return this.send({ method: 'GET', path }, schema);
  }

  async send<T>({ method, path, body }: Sent, schema: z.ZodType<T>): Promise<Told<T>> {
    const answer = await this.#fetch(path, {
      method,
      signal: AbortSignal.timeout(deadlineMs),
      headers: {
        ...(method !== 'GET' && { 'x-mcpx-user': userName() }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const json = (await answer.text()).trimEnd();
    const content = parsed(json);
    if (!answer.ok) throw refused(answer.status, json, content);
    const decoded = schema.safeParse(content);
    if (decoded.success) return { value: decoded.data, json };
    throw new Failure(
      `${this.url}${path} does not answer as the admin API of MCPX. ` +
        `Name the right one with --admin, or use the same version on both sides.`,
    );
  }

  async #fetch(path: string, call: AdminCall): Promise<AdminAnswer> {
    const credentials = await this.credentials();
    try {
      return await callAdmin(`${this.url}${path}`, call, credentials);
    } catch (error) {
      if (error instanceof DOMException && error.name === 'TimeoutError')
        throw new Failure(`${this.url} did not answer within ${deadlineMs / 1000} s.`);
      const cause = error instanceof Error && error.cause ? error.cause : error;
      const reason = reasonOf(cause).includes('ECONNREFUSED') ? '' : ` (${reasonOf(cause)})`;
      throw new Unreachable(
        `No control plane answers at ${this.url}${reason}. ` +
          'Start one with `mcpx up`, or name it with --admin.',
      );
    }
  }
}

/** Who did it, as this machine knows them: histories tell. */
function userName(): string {
  try {
    return encodeURI(userInfo().username);
  } catch {
    // A container may run under a number that has no name.
    return `user ${process.getuid?.() ?? 'unknown'}`;
  }
}

export function clientOf(invocation: Invocation): AdminClient {
  return new AdminClient(adminUrl(invocation), () => credentialsFor(invocation));
}

/** One part of a path. */
export const segment = (text: string): string => encodeURIComponent(text);

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function refused(status: number, json: string, content: unknown): Failure {
  const details = problemDetails.safeParse(content);
  if (!details.success)
    return new Failure(`The admin API answered HTTP ${status}.`, 1, { json, status });
  const { title, detail, problems } = details.data;
  if (problems.length < 2) return new Failure(plain(detail), 1, { json, status });
  const lines = problems.map(({ message }) => `  ${plain(message)}`);
  return new Failure(`${plain(title)}:\n${lines.join('\n')}`, 1, { json, status });
}
