/** What a set of changes would do to every Envoy: asked here, and never done. */
import { problem } from '../errors.js';
import { listed, problemAnswer } from './problem.js';
import { jsonAnswer, jsonRow, type AdminRequest, type Answer, type Route } from './route.js';
import { changes, planned } from './schemas.js';
import type { AdminState, Plan } from './state.js';

export function planRoutes(state: AdminState): Route[] {
  return [
    {
      method: 'post',
      path: '/v1/plan',
      role: 'viewer',
      summary: 'What changes would do to every Envoy; nothing is changed',
      request: changes,
      answers: { 200: jsonRow('What each step would do, and what Envoys would be sent', planned) },
      problems: [400, 413, 415, 503],
      handle: ({ body }) => plan(state, body),
    },
  ];
}

function plan(state: AdminState, body: AdminRequest['body']): Answer {
  const asked = changes.safeParse(body);
  if (!asked.success) {
    const path = asked.error.issues[0]?.path.join('.') ?? '';
    const what = path || 'The plan';
    const message = `${what} must be as in a file of changes: lists of services and remove.`;
    return problemAnswer([problem('request_invalid', { path }, message)]);
  }
  const made = state.plan(asked.data);
  if (made === undefined) return problemAnswer([notYet]);
  const nodes = state.nodes().filter(({ role }) => role === 'edge');
  return jsonAnswer(
    planView(
      made,
      nodes.map(({ id }) => id),
    ),
  );
}

const notYet = problem(
  'registry_unreachable',
  {},
  'Not every registry was heard yet, so nothing can be planned. Try again soon.',
);

/** `nodes`: the Envoys that would be sent all of it. */
export function planView(
  { steps, resources, appeared, mended }: Plan,
  nodes: readonly string[],
): object {
  const bytes = resources.reduce((sum, resource) => sum + resource.bytes, 0);
  return {
    steps: steps.map((step) => ({ ...step, problems: step.problems.map(listed) })),
    resources: [...resources],
    nodes: nodes.map((id) => ({ id, resources: resources.length, bytes })),
    problems: { appeared: appeared.map(listed), mended: mended.map(listed) },
  };
}
