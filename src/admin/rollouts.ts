/** Rollouts: how the traffic of a service moves between versions, and the way to steer it. */
import type { Outcome, Problem } from '../errors.js';
import { serviceNamed } from '../fleet/changes.js';
import { problemAnswer, notFound } from './problem.js';
import { moveOf, moves, orderOf } from './rollout_orders.js';
import {
  rolloutAction,
  rolloutHistory,
  rolloutOrder,
  rolloutPlan,
  rolloutStatus,
} from './rollout_schemas.js';
import { changedBy, historyOf, planView, statusView } from './rollout_view.js';
import { jsonAnswer, jsonRow, type AdminRequest, type Answer, type Route } from './route.js';
import { didYouMean } from './services.js';
import type { AdminState } from './state.js';

const dryRunRow = [
  { name: 'dryRun', description: '`true` tells what would be done, and changes nothing' },
];

export function rolloutRoutes(state: AdminState): Route[] {
  return [
    {
      method: 'get',
      path: '/v1/services/{name}/rollout',
      role: 'viewer',
      summary: "A service's newest rollout: shares, signals, what is next and why it waits",
      answers: { 200: jsonRow('The rollout, open or ended', rolloutStatus) },
      problems: [404],
      handle: ({ params }) => show(state, params['name'] ?? ''),
    },
    {
      method: 'post',
      path: '/v1/services/{name}/rollout',
      role: 'operator',
      summary: 'Begin a rollout: start a canary, or stage a bluegreen',
      query: dryRunRow,
      request: rolloutOrder,
      answers: {
        200: jsonRow('What would be done (dryRun)', rolloutPlan),
        201: jsonRow('It has begun', rolloutPlan),
      },
      problems: [400, 404, 409, 413, 415, 503],
      handle: (request) => {
        const name = request.params['name'] ?? '';
        return carryOut(state, request, orderOf(name, request.body), 201);
      },
    },
    {
      method: 'post',
      path: '/v1/services/{name}/rollout/{action}',
      role: 'operator',
      summary: `Move it on: ${moves.join(', ')}`,
      query: dryRunRow,
      request: rolloutAction,
      answers: { 200: jsonRow('What was done, or would be', rolloutPlan) },
      problems: [400, 404, 409, 413, 415, 503],
      handle: (request) => move(state, request),
    },
    {
      method: 'get',
      path: '/v1/services/{name}/rollouts',
      role: 'viewer',
      summary: 'Every rollout that is remembered of a service: who did what, when, and why',
      answers: { 200: jsonRow('The rollouts, newest first', rolloutHistory) },
      problems: [404],
      handle: ({ params }) => history(state, params['name'] ?? ''),
    },
  ];
}

function show(state: AdminState, name: string): Answer {
  const status = state.rollouts.status(name);
  if (status) return jsonAnswer(statusView(status));
  return (
    unknownService(state, name) ??
    notFound(
      `${name} never had a rollout: its versions share by the weights of their instances. ` +
        `\`mcpx canary start ${name} --to VERSION\` begins one.`,
    )
  );
}

function history(state: AdminState, name: string): Answer {
  const unknown = unknownService(state, name);
  if (unknown) return unknown;
  const status = state.rollouts.status(name);
  return jsonAnswer({ service: name, rollouts: status ? historyOf(status.document) : [] });
}

function unknownService({ fleet }: AdminState, name: string): Answer | undefined {
  if (serviceNamed(fleet.value, name)) return undefined;
  const names = fleet.value.services.map((service) => service.name);
  return notFound(`There is no service ${name}.${didYouMean(name, names)}`);
}

function move(state: AdminState, request: AdminRequest): Answer | Promise<Answer> {
  const { name = '', action = '' } = request.params;
  const what = moves.find((each) => each === action);
  if (what) return carryOut(state, request, moveOf(name, what, request.body), 200);
  return notFound(
    `A rollout has no ${action}; it has ${moves.join(', ')}.${didYouMean(action, moves)}`,
  );
}

async function carryOut(
  state: AdminState,
  { params, query, user }: AdminRequest,
  ordered: ReturnType<typeof orderOf>,
  doneStatus: number,
): Promise<Answer> {
  const service = params['name'] ?? '';
  const unknown = unknownService(state, service);
  if (unknown) return unknown;
  if (!ordered.ok) return problemAnswer(ordered.problems);
  const proposed = state.rollouts.proposed({ service, who: user, ...ordered.value });
  if (!proposed.ok) return problemAnswer([...proposed.problems, ...leftOut(state, service)]);
  const dryRun = query['dryRun'] === 'true';
  const kept: Outcome<unknown> = dryRun
    ? { ok: true, value: undefined }
    : await state.rollouts.keep(proposed.value);
  if (!kept.ok) return problemAnswer(kept.problems);
  const edges = state.nodes().filter(({ role }) => role === 'edge');
  const nodes = [...new Set(edges.map(({ id }) => id))];
  const view = planView(proposed.value, { nodes, dryRun });
  return {
    ...jsonAnswer(view, dryRun ? 200 : doneStatus),
    changed: changedBy(proposed.value),
  };
}

/** Why instances that are registered are not in the fleet: a version may be missing for it. */
const leftOut = (state: AdminState, service: string): readonly Problem[] =>
  state
    .problems()
    .filter(({ code, subject }) => code.startsWith('registration_') && subject.service === service)
    .filter(({ severity }) => severity === 'error');
