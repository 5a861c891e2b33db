/**
 * The door of every route: who asks is made sure of, whoever may not is refused in
 * words and counted, and every write has its lines in the audit log before it is
 * made and after.
 */
import type { Context } from 'koa';
import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import type { AuditLog, Entry } from './audit.js';
import { recognise, type Access, type Refusal } from './authentication.js';
import { shownCertificate } from './peer.js';
import { problemAnswer, refusal } from './problem.js';
import { suffices, type Caller, type Role } from './roles.js';
import type { Answer, JsonAnswer, Route } from './route.js';

export interface Door {
  readonly access: Access;
  readonly audit: AuditLog;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
}

interface Refused {
  readonly reason: Refusal;
  /** Who it seems to be; nobody where that is not known. */
  readonly caller: Caller | undefined;
  readonly status: 401 | 403;
  readonly message: string;
}

/** Who asks, or the answer they get instead. */
export async function enter(
  { access, audit, metrics, clock, log }: Door,
  route: Route,
  ctx: Context,
): Promise<{ readonly caller: Caller } | { readonly answer: Answer }> {
  const recognised = recognise(access, {
    method: ctx.method,
    authorization: ctx.get('authorization'),
    user: ctx.get('x-mcpx-user'),
    certificate: shownCertificate(ctx.req.socket),
    now: clock.now(),
  });
  const refused: Refused | undefined =
    'refusal' in recognised
      ? { ...recognised, reason: recognised.refusal, caller: undefined, status: 401 }
      : lacking(recognised.caller, route.role);
  if (refused === undefined && 'caller' in recognised) return recognised;
  const { reason, caller, status, message } = refused ?? unheard;
  const about = { ...originOf(ctx), who: caller?.name ?? '', role: caller?.role ?? 'anybody' };
  metrics.adminRefused.inc({ reason });
  log.warn({ ...about, reason }, 'refused a request to the admin API');
  await audit.refused({ ...about, id: randomUUID(), outcome: 'refused', status, reason: message });
  return { answer: withChallenge(refusal(status, message), status, ctx) };
}

const unheard: Refused = { reason: 'credentials', caller: undefined, status: 401, message: '' };

/** What a caller lacks for it, if anything. */
function lacking(caller: Caller, needed: Role): Refused | undefined {
  if (suffices(caller.role, needed)) return undefined;
  if (caller.name !== '') {
    const message = `${caller.name} is ${caller.role} here, and this takes ${needed}.`;
    return { reason: 'role', caller, status: 403, message };
  }
  const message =
    `This takes the role ${needed}. Send a token as \`authorization: Bearer TOKEN\` ` +
    '(the command line: MCPX_ADMIN_TOKEN), or show a client certificate; `mcpx token` makes a ' +
    'token. On the machine of the control plane the command line needs none of them: run it ' +
    'as the user of the control plane, with its configuration.';
  return { reason: 'credentials', caller, status: 401, message };
}

/** Only a person who looks with a browser is asked there: anything else would hang on it. */
function withChallenge(answer: JsonAnswer, status: number, ctx: Context): JsonAnswer {
  if (status !== 401) return answer;
  const looks = ctx.method === 'GET' && ctx.get('accept').includes('text/html');
  const page = looks ? ', Basic realm="mcpx: a token as the password", charset="UTF-8"' : '';
  return { ...answer, headers: { 'www-authenticate': `Bearer realm="mcpx"${page}` } };
}

/** From the connection and the request line: a header may say anything. */
const originOf = ({ req, method, path }: Context): Pick<Entry, 'from' | 'what'> => ({
  from: req.socket.remoteAddress ?? '',
  what: `${method} ${path.slice(0, 500)}`,
});

/** Does what a route does; a write has been put down before, and how it ended after. */
export async function audited(
  door: Door,
  { ctx, caller }: { readonly ctx: Context; readonly caller: Caller },
  handle: () => Answer | Promise<Answer>,
): Promise<Answer> {
  const { name: who, role } = caller;
  const entry = { ...originOf(ctx), who, role, id: randomUUID() };
  const begun = await door.audit.write({ ...entry, outcome: 'begun' });
  if (!begun.ok) {
    door.metrics.adminRefused.inc({ reason: 'audit' });
    return problemAnswer(begun.problems);
  }
  try {
    const answer = await handle();
    await door.audit.write({ ...entry, ...endOf(answer) });
    return answer;
  } catch (error) {
    await door.audit.write({ ...entry, outcome: 'failed', status: 500 });
    throw error;
  }
}

function endOf(answer: Answer): Pick<Entry, 'outcome' | 'status' | 'reason'> {
  const { status } = answer;
  if (status < 400) return { outcome: 'done', status, ...('json' in answer && answer.changed) };
  const { detail } = ('json' in answer ? answer.json : {}) as { readonly detail?: string };
  return { outcome: 'failed', status, ...(detail !== undefined && { reason: detail }) };
}

/** A dry run only looks. */
export function isWrite(route: Route, query: Readonly<Record<string, string>>): boolean {
  const looks = route.query?.some(({ name }) => name === 'dryRun') && query['dryRun'] === 'true';
  return route.method !== 'get' && suffices(route.role, 'operator') && !looks;
}
