/** One question to an issuer's HTTP API, and what may come of it. */
import { z } from 'zod';
import { reasonOf } from '../errors.js';

export interface Question {
  readonly url: URL;
  /** GET unless told; Vault lists with LIST. */
  readonly method?: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers: Readonly<Record<string, string>>;
  readonly withinMs: number;
  readonly signal: AbortSignal;
}

/** An answer is had, or it is told that there is none, or nothing is heard. */
type Answer<T> =
  | { readonly is: 'had'; readonly value: T; readonly headers: Headers }
  | { readonly is: 'refused'; readonly status: number; readonly text: string }
  | { readonly is: 'unheard'; readonly reason: string };

const shownMax = 200;

export async function ask<T>(question: Question, schema: z.ZodType<T>): Promise<Answer<T>> {
  const { url, method = 'GET', body, headers, withinMs, signal } = question;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(withinMs)]);
  try {
    const response = await fetch(url, {
      ...{ method, headers, signal: limit },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      // Elsewhere is not where the token is meant for.
      redirect: 'error',
    });
    const text = (await response.text()).trim();
    const { status } = response;
    if (!response.ok) return { is: 'refused', status, text: text.slice(0, shownMax) };
    const read = schema.safeParse(JSON.parse(text === '' ? 'null' : text));
    if (read.success) return { is: 'had', value: read.data, headers: response.headers };
    return { is: 'unheard', reason: `what answers at ${url.origin} is something else` };
  } catch (error) {
    return { is: 'unheard', reason: causeOf(error) };
  }
}

/** `fetch` itself only says that it failed. */
function causeOf(error: unknown): string {
  if (error instanceof SyntaxError) return 'its answer is no JSON';
  if (!(error instanceof Error)) return reasonOf(error);
  if (error.name === 'TimeoutError') return 'it did not answer in time';
  return reasonOf(error.cause ?? error);
}
