/**
 * The stream the filter service lives on: every service as agents see it, and
 * then each change. Nothing is queued for a reader: what it was told is
 * compared with the present whenever it can take more, so a slow one gets only
 * the newest and holds no memory here.
 */
import { Readable } from 'node:stream';
import type { ExposedService } from '../fleet/exposed.js';
import { exposedServices } from '../fleet/exposed_services.js';
import type { Fleet } from '../fleet/fleet.js';
import type { Latest } from '../latest.js';
import { jsonAnswer, type AdminRequest, type Answer, type Route } from './route.js';
import { exposedLine, exposedList } from './schemas.js';

interface ExposedSource {
  readonly fleet: Latest<Fleet>;
  /** Whether every registry was heard: only then may a reader forget what it was not told of. */
  readonly complete: Latest<boolean>;
  /** Aborted when the API closes. */
  readonly closing: AbortSignal;
  readonly keepAliveMs: number;
}

const mediaType = 'application/x-ndjson';

export function exposedRoutes(source: ExposedSource): Route[] {
  return [
    {
      method: 'get',
      path: '/v1/exposed',
      role: 'node',
      summary: 'Every service as agents see it; with watch=true as a stream of lines',
      query: [{ name: 'watch', description: 'true: stay, and be told every change' }],
      answers: {
        200: {
          description:
            'All at once, or a line each: the services, then synced once every registry was ' +
            'heard (forget what was not named), then each change; {} keeps the connection alive',
          content: { 'application/json': exposedList, [mediaType]: exposedLine },
        },
      },
      handle: (request) => show(source, request),
    },
  ];
}

function show(source: ExposedSource, { query }: AdminRequest): Answer {
  if (query['watch'] !== 'true')
    return jsonAnswer({
      services: exposedServices(source.fleet.value),
      synced: source.complete.value,
    });
  const stop = new AbortController();
  const abort = () => stop.abort();
  source.closing.addEventListener('abort', abort, { once: true });
  if (source.closing.aborted) abort();
  const content = Readable.from(exposedLines(source, stop.signal), { objectMode: false });
  content.once('close', () => {
    source.closing.removeEventListener('abort', abort);
    stop.abort();
  });
  return { status: 200, type: mediaType, content };
}

async function* exposedLines(
  { fleet, complete, keepAliveMs }: ExposedSource,
  stop: AbortSignal,
): AsyncGenerator<string> {
  const told = new Map<string, ExposedService>();
  let synced = false;
  while (!stop.aborted) {
    const seen = { fleet: fleet.value, complete: complete.value };
    yield* changes(told, exposedServices(seen.fleet));
    if (seen.complete && !synced) {
      synced = true;
      yield line({ synced: true });
    }
    const isNew = () => fleet.value !== seen.fleet || complete.value !== seen.complete;
    const woken = await wake({ fleet, complete, stop, quietMs: keepAliveMs }, isNew);
    if (woken === 'quiet') yield line({});
  }
}

function* changes(
  told: Map<string, ExposedService>,
  present: readonly ExposedService[],
): Generator<string> {
  const names = new Set(present.map(({ name }) => name));
  for (const name of told.keys()) {
    if (names.has(name)) continue;
    told.delete(name);
    yield line({ removed: name });
  }
  for (const service of present) {
    if (told.get(service.name) === service) continue;
    told.set(service.name, service);
    yield line({ service });
  }
}

const line = (value: object): string => `${JSON.stringify(value)}\n`;

interface Awaited {
  readonly fleet: ExposedSource['fleet'];
  readonly complete: ExposedSource['complete'];
  readonly stop: AbortSignal;
  readonly quietMs: number;
}

/** Waits for a change, for `quietMs` without one, or for the end. */
function wake(
  { fleet, complete, stop, quietMs }: Awaited,
  isNew: () => boolean,
): Promise<'changed' | 'quiet'> {
  return new Promise((resolve) => {
    const finish = (outcome: 'changed' | 'quiet') => {
      clearTimeout(timer);
      stop.removeEventListener('abort', ended);
      queueMicrotask(() => {
        for (const unsubscribe of subscriptions) unsubscribe();
      });
      resolve(outcome);
    };
    const ended = () => finish('changed');
    const look = () => {
      if (isNew() || stop.aborted) ended();
    };
    const timer = setTimeout(() => finish('quiet'), quietMs);
    stop.addEventListener('abort', ended, { once: true });
    const subscriptions = [fleet.subscribe(look), complete.subscribe(look)];
  });
}
