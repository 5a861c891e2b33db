/** What somebody asks of a rollout → the action of the state machine, or what is wrong with it. */
import type { z } from 'zod';
import { failed, problem, succeeded, type Outcome, type Problem } from '../errors.js';
import type { JudgeLimits } from '../fleet/rollout.js';
import { explain, fieldPathsOf } from '../registry/explain.js';
import type { Action } from '../rollout/advance.js';
import { rolloutAction, rolloutOrder } from './rollout_schemas.js';

/** What an action may be called in a path; `start` and `stage` are the order that begins one. */
export const moves = [
  ...(['pause', 'resume', 'promote', 'abort'] as const),
  ...(['switch', 'rollback', 'finish'] as const),
] as const;

type Fields = Readonly<Record<string, unknown>>;

interface Ordered {
  readonly action: Action;
  readonly acceptBreaking: boolean;
}

const orderPaths = fieldPathsOf(rolloutOrder);
const actionPaths = fieldPathsOf(rolloutAction);

/** Problems: `request_invalid`, one for each wrong field. */
export function orderOf(service: string, body: Fields): Outcome<Ordered> {
  const parsed = rolloutOrder.safeParse(body);
  if (!parsed.success)
    return failed(...wrongFields(service, explain(parsed.error.issues, body, orderPaths)));
  const { kind, to, from, match = [], mirror = 0, acceptBreaking = false, why = '' } = parsed.data;
  const { drain: drainMs } = parsed.data;
  const moved = {
    ...{ to, match, mirror },
    ...(from !== undefined && { from }),
    ...(drainMs !== undefined && { drainMs }),
  };
  if (kind === 'bluegreen') {
    const unfit = (['steps', 'every'] as const).filter((field) => field in body);
    const message = 'belongs to a canary: a bluegreen switches all at once';
    if (unfit.length > 0)
      return failed(
        ...wrongFields(
          service,
          unfit.map((path) => ({ path, message })),
        ),
      );
    const limits = isJudged(parsed.data) ? { limits: limitsOf(parsed.data) } : {};
    return succeeded({
      action: { what: 'stage', plan: { ...moved, ...limits }, why },
      acceptBreaking,
    });
  }
  const { steps = [5, 25, 50, 100], every: everyMs = 600_000 } = parsed.data;
  const plan = { ...moved, steps, everyMs, limits: limitsOf(parsed.data) };
  return succeeded({ action: { what: 'start', plan, why }, acceptBreaking });
}

type Order = z.infer<typeof rolloutOrder>;

const isJudged = ({ maxErrorRate, maxP99, minCalls }: Order): boolean =>
  [maxErrorRate, maxP99, minCalls].some((limit) => limit !== undefined);

const limitsOf = ({ maxErrorRate, maxP99, minCalls }: Order): JudgeLimits => ({
  ...{ maxErrorRate: maxErrorRate ?? 0.01, maxP99Increase: maxP99 ?? 0.2 },
  minCalls: minCalls ?? 100,
});

/** Problems: `request_invalid`. */
export function moveOf(
  service: string,
  what: (typeof moves)[number],
  body: Fields,
): Outcome<Ordered> {
  const parsed = rolloutAction.safeParse(body);
  if (!parsed.success)
    return failed(...wrongFields(service, explain(parsed.error.issues, body, actionPaths)));
  const { why = '', acceptBreaking = false, seen } = parsed.data;
  return succeeded({ action: { what, why, ...(seen && { seen }) }, acceptBreaking });
}

/** Some end with a question. */
const ended = (message: string): string => (message.endsWith('?') ? message : `${message}.`);

const wrongFields = (
  service: string,
  complaints: readonly { readonly path: string; readonly message: string }[],
): Problem[] =>
  complaints.map(({ path, message }) =>
    problem('request_invalid', { service, path }, `${path} ${ended(message)}`),
  );
