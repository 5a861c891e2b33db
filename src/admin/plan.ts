/** What a set of changes would do to every Envoy: asked here, and never done. */
import { z } from 'zod';
import { problem, type Problem } from '../errors.js';
import type { PlannedStep } from '../registry/planned.js';
import type { ResourceDifference } from '../snapshot/difference.js';
import { listed, problemAnswer } from './problem.js';
import { jsonAnswer, jsonRow, type AdminRequest, type Answer, type Route } from './route.js';
import { planned } from './schemas.js';
import type { AdminState } from './state.js';

export interface Plan {
  readonly steps: readonly PlannedStep[];
  /** What each Envoy would be sent. */
  readonly resources: readonly ResourceDifference[];
  readonly appeared: readonly Problem[];
  readonly mended: readonly Problem[];
}

const changesSchema = z.strictObject({
  services: z
    .array(z.record(z.string(), z.unknown()))
    .default([])
    .describe('registrations, as POST /v1/services takes them, in order'),
  remove: z
    .array(z.string().min(1))
    .default([])
    .describe('then services that go, or instances as claims/10.0.0.7:3000'),
});

export function planRoutes(state: AdminState): Route[] {
  return [
    {
      method: 'post',
      path: '/v1/plan',
      summary: 'What changes would do to every Envoy; nothing is changed',
      request: changesSchema,
      answers: { 200: jsonRow('What each step would do, and what Envoys would be sent', planned) },
      problems: [400, 413, 415, 503],
      handle: ({ body }) => plan(state, body),
    },
  ];
}

function plan(state: AdminState, body: AdminRequest['body']): Answer {
  const changes = changesSchema.safeParse(body);
  if (!changes.success) {
    const path = changes.error.issues[0]?.path.join('.') ?? '';
    const message = `${path || 'The plan'} must be as in services.yaml: lists of services and remove.`;
    return problemAnswer([problem('request_invalid', { path }, message)]);
  }
  const made = state.plan(changes.data);
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
