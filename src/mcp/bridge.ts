/** The HTTP face of the filter service: what Envoy sends to the cluster `mcpx_bridge`. */
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { aggregatePath, requestBodyMax } from '../gateway_contract.js';
import { reasonOf } from '../errors.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import { reply } from './aggregate.js';
import { codes, emptyAnswer, errorAnswer, type Answer } from './answer.js';
import type { Head } from './classify.js';
import { forward } from './forward.js';
import type { State } from './state.js';

/** Sealed sessions of many services make long headers. */
const headerBytesMax = 64 * 1024;

/** Longer than Envoy keeps an idle connection: Envoy closes first, and no request is lost. */
const keepAliveMs = 2 * 60 * 60 * 1_000;

export function createBridge(state: State, metrics: Metrics, log: Log): http.Server {
  const options = { maxHeaderSize: headerBytesMax, keepAliveTimeout: keepAliveMs };
  return http.createServer(options, (request, response) => {
    serve(request, response, state, metrics).catch((error: unknown) => {
      // The client left while it was still sending: nobody is there to be told.
      if (!request.complete) {
        response.destroy();
        return;
      }
      log.error({ reason: reasonOf(error) }, 'request failed');
      if (response.headersSent) response.destroy();
      else
        write(response, errorAnswer(500, { code: codes.internalError, message: 'Internal error' }));
    });
  });
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  state: State,
  metrics: Metrics,
): Promise<void> {
  const path = (request.url ?? '').split('?', 1)[0] ?? '';
  const answer =
    path === aggregatePath
      ? await answerAggregate(request, response, state)
      : await answerOperator(path, metrics);
  if (answer !== undefined) write(response, answer);
}

/** Envoy sends only the aggregate's path here: these are for who watches this process. */
async function answerOperator(path: string, metrics: Metrics): Promise<Answer> {
  if (path === '/healthz')
    return { status: 200, headers: { 'content-type': 'text/plain' }, body: 'ok\n' };
  if (path !== '/metrics') return emptyAnswer(404);
  const headers = { 'content-type': metrics.contentType };
  return { status: 200, headers, body: await metrics.text() };
}

/** Undefined when a server's own answer was relayed, or a stream begun. */
async function answerAggregate(
  request: IncomingMessage,
  response: ServerResponse,
  state: State,
): Promise<Answer | undefined> {
  const bytes = await readBytes(request);
  if (bytes === undefined) return tooLarge;
  const replied = await reply(headOf(request), bytes, state);
  if (replied.kind === 'answer') return replied.answer;
  if (replied.kind === 'call') return forward(replied, request, response, state);
  const stream = state.streams.open(response);
  if (stream === undefined) return tooManyStreams;
  replied.open(stream);
  return undefined;
}

const tooManyStreams: Answer = errorAnswer(503, {
  code: codes.serviceUnavailable,
  message: 'Too many streams are open here. Try again later.',
});

function headOf({ method = '', headers }: IncomingMessage): Head {
  const flat = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value] as const],
  );
  return { verb: method, headers: Object.fromEntries(flat) };
}

const tooLarge: Answer = errorAnswer(413, {
  code: codes.invalidRequest,
  message: `The body is larger than ${requestBodyMax} bytes.`,
});

async function readBytes(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    const bytes = chunk as Buffer;
    size += bytes.length;
    if (size > requestBodyMax) return undefined;
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

function write(response: ServerResponse, { status, headers, body }: Answer): void {
  const bytes = Buffer.from(body);
  const length = body === '' ? {} : { 'content-length': bytes.length };
  // What is left of a body that was too large is not read: the connection ends.
  const ending = status === 413 ? { connection: 'close' } : {};
  response.writeHead(status, { ...headers, ...length, ...ending }).end(bytes);
}
