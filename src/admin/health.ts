/** For machines that ask whether this control plane lives, is ready, and what it counts. */
import { problem } from '../errors.js';
import { problemAnswer } from './problem.js';
import type { Readiness, RegistryHearing } from './readiness.js';
import { jsonAnswer, jsonRow, textRow, type Answer, type Route } from './route.js';
import { alive, readiness as readinessSchema } from './schemas.js';
import type { AdminState } from './state.js';

export function healthRoutes(state: AdminState, readiness: Readiness): Route[] {
  return [
    {
      method: 'get',
      path: '/healthz',
      role: 'anybody',
      summary: 'Whether the process lives',
      answers: { 200: jsonRow('It does', alive) },
      handle: () => jsonAnswer({ status: 'ok', version: state.version }),
    },
    {
      method: 'get',
      path: '/readyz',
      role: 'anybody',
      summary:
        'Whether every registry was heard, or a kept last good is served; not while it stops',
      answers: { 200: jsonRow('Ready, or serving a kept last good (stale)', readinessSchema) },
      problems: [503],
      handle: () => ready(state, readiness),
    },
    {
      method: 'get',
      path: '/metrics',
      role: 'viewer',
      summary: 'Counters and gauges in the Prometheus text format',
      answers: { 200: textRow('The metrics', 'text/plain') },
      handle: async () => ({
        status: 200,
        type: state.metrics.contentType,
        content: await state.metrics.text(),
      }),
    },
  ];
}

function ready({ stale }: AdminState, readiness: Readiness): Answer {
  if (readiness.stopping) {
    const message = 'It ends its streams, and then itself. Ask another replica.';
    return problemAnswer([problem('stopping', {}, message)]);
  }
  const registries = readiness.registries();
  const unheard = readiness.unheard();
  if (unheard.length === 0) {
    const lost = registries.filter(({ state }) => state !== 'heard');
    const detail =
      lost.length === 0
        ? 'Every registry is heard.'
        : `Every registry was heard; now lost, its last report stays: ${reasonsOf(lost)}.`;
    return jsonAnswer({ status: 'ready', detail, registries });
  }
  if (stale.value) {
    const detail = `A kept last good is served until these are heard: ${reasonsOf(unheard)}.`;
    return jsonAnswer({ status: 'stale', detail, registries });
  }
  return problemAnswer(
    unheard.map((hearing) =>
      problem(
        'registry_unreachable',
        { source: hearing.source },
        `Not heard yet: ${reasonsOf([hearing])}.`,
      ),
    ),
  );
}

function reasonsOf(registries: readonly RegistryHearing[]): string {
  return registries.map(({ source, state, reason }) => `${source} (${reason ?? state})`).join(', ');
}
