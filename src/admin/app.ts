/** The route table as a Koa application: the guard first, then the body, then the routes. */
import Router from '@koa/router';
import Koa, { type Context, type Middleware } from 'koa';
import { STATUS_CODES } from 'node:http';
import { reasonOf } from '../errors.js';
import { jsonBody, objectBody, Refused } from './body.js';
import { audited, enter, isWrite, type Door } from './door.js';
import { guard } from './guard.js';
import { refusal, unexpected } from './problem.js';
import { nobody } from './authentication.js';
import type { Caller } from './roles.js';
import type { Answer, Route } from './route.js';

/** A reader that takes nothing for so long is cut off; keep-alive lines are far more frequent. */
const readerStuckMs = 60_000;

export function createApp(table: readonly Route[], boundHost: string, door: Door): Koa {
  const { log } = door;
  const app = new Koa();
  const router = new Router();
  for (const route of table)
    router[route.method](
      route.path.replace(/\{(\w+)\}/g, ':$1'),
      ...[entered(route, door), jsonBody(), handlerOf(route, door)],
    );
  app.on('error', (error: unknown, ctx?: Context) => {
    if (ctx && !ctx.res.writableEnded && !ctx.req.destroyed)
      log.error({ path: ctx.path, reason: reasonOf(error) }, 'an answer broke off');
  });
  app.use(answerErrors(door));
  app.use(guarded(boundHost, door));
  app.use(router.routes());
  app.use((ctx) => send(ctx, unknownRoute(table, ctx)));
  return app;
}

type Asked = Context & { params?: Record<string, string>; state: { caller?: Caller } };

/** Before the body is read: of whom nothing is taken, nothing is read. */
function entered(route: Route, door: Door): Middleware {
  return async (ctx: Asked, next) => {
    const entry = await enter(door, route, ctx);
    if ('answer' in entry) {
      send(ctx, entry.answer);
      discardRest(ctx);
      return;
    }
    ctx.state.caller = entry.caller;
    await next();
  };
}

function handlerOf(route: Route, door: Door): Middleware {
  return async (ctx: Asked) => {
    const { caller = nobody } = ctx.state;
    const body = route.request ? objectBody(ctx) : {};
    const query = Object.fromEntries(new URLSearchParams(ctx.querystring));
    const request = { params: ctx.params ?? {}, query, user: caller.name, body };
    const handle = () => route.handle(request);
    const writes = isWrite(route, query);
    send(ctx, await (writes ? audited(door, { ctx, caller }, handle) : handle()));
  };
}

function send(ctx: Context, answer: Answer): void {
  ctx.status = answer.status;
  ctx.set('x-content-type-options', 'nosniff');
  ctx.set('cache-control', 'no-store');
  for (const [name, value] of Object.entries(answer.headers ?? {})) ctx.set(name, value);
  if ('json' in answer) {
    ctx.set('content-type', answer.type ?? 'application/json');
    ctx.body = `${JSON.stringify(answer.json, undefined, 2)}\n`;
    return;
  }
  ctx.set('content-type', answer.type);
  ctx.body = answer.content;
  if (typeof answer.content !== 'string') ctx.req.socket.setTimeout(readerStuckMs);
}

function answerErrors({ log }: Door): Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      if (!(error instanceof Refused))
        log.error({ path: ctx.path, reason: reasonOf(error) }, 'a request failed');
      send(ctx, error instanceof Refused ? error.answer : unexpected());
      discardRest(ctx);
    }
  };
}

/** A body that was not read to its end would block the connection for the next request. */
function discardRest(ctx: Context): void {
  if (ctx.req.complete) return;
  ctx.set('connection', 'close');
  ctx.req.resume();
}

function guarded(boundHost: string, { metrics }: Door): Middleware {
  return async (ctx, next) => {
    const caller = { method: ctx.method, host: ctx.get('host'), origin: ctx.get('origin') };
    const refused = guard(boundHost, caller);
    if (!refused) {
      await next();
      return;
    }
    metrics.adminRefused.inc({ reason: 'page' });
    send(ctx, refused);
  };
}

function unknownRoute(table: readonly Route[], { method, path }: Context): Answer {
  const methods = table.filter((route) => matches(route, path)).map((route) => route.method);
  const allow = methods.map((each) => each.toUpperCase()).join(', ');
  if (methods.length > 0)
    return {
      ...refusal(405, `${method} is not for ${path}: it takes ${allow}.`),
      headers: { allow },
    };
  return refusal(
    404,
    `${STATUS_CODES[404] ?? ''}: there is no ${path}. /openapi.json lists all there is.`,
  );
}

function matches({ path }: Route, asked: string): boolean {
  const pattern = path.replace(/[.]/g, '\\.').replace(/\{\w+\}/g, '[^/]+');
  return new RegExp(`^${pattern}/?$`).test(asked);
}
