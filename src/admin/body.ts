/** The JSON object of a request, or what is wrong with it. */
import { bodyParser } from '@koa/bodyparser';
import type { Context, Middleware } from 'koa';
import { reasonOf } from '../errors.js';
import { refusal } from './problem.js';
import type { JsonAnswer } from './route.js';

const bodyBytesMax = 1024 * 1024;

/** Thrown inside the body parser only, and caught by the room's one error handler. */
export class Refused extends Error {
  constructor(readonly answer: JsonAnswer) {
    super('refused');
  }
}

export function jsonBody(): Middleware {
  return bodyParser({
    enableTypes: ['json'],
    extendTypes: { json: ['application/json', 'application/*+json'] },
    jsonLimit: bodyBytesMax,
    onError: (error) => {
      throw new Refused(refusalFor(error));
    },
  });
}

function refusalFor(error: Error & { status?: number }): JsonAnswer {
  if (error.status === 413)
    return refusal(413, `The body is larger than ${bodyBytesMax} bytes, the most that is taken.`);
  return refusal(400, `The body is not JSON that can be read: ${reasonOf(error)}.`);
}

/** The object a route asks for: `application/json`, and a mapping at the top. */
export function objectBody({ request }: Context): Readonly<Record<string, unknown>> {
  const type = request.headers['content-type'];
  const isJson = request.is('application/json', 'application/*+json');
  if (typeof isJson !== 'string')
    throw new Refused(
      refusal(415, `Send JSON with content-type: application/json, not ${type ?? 'nothing'}.`),
    );
  const body: unknown = request.body;
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new Refused(refusal(400, 'The body must be a JSON object of fields, not a list.'));
  return body as Readonly<Record<string, unknown>>;
}
