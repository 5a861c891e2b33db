/** Join tokens: how a part of MCPX on another machine is let in the first time. */
import { z } from 'zod';
import { isServiceName } from '../service_name.js';
import { problemAnswer, refusal } from './problem.js';
import { jsonAnswer, jsonRow, type AdminRequest, type Answer, type Route } from './route.js';
import { joinToken, joinWish } from './identity_schemas.js';
import type { AdminState } from './state.js';

export function joinTokenRoutes(state: AdminState): Route[] {
  return [
    {
      method: 'post',
      path: '/v1/join-tokens',
      role: 'admin',
      summary: 'A token with which one Envoy joins, once and soon: a secret',
      request: joinWish,
      answers: { 201: jsonRow('The token, which is not shown again', joinToken) },
      problems: [400, 409, 503],
      handle: (request) => mint(state, request),
    },
  ];
}

function mint({ mintJoinToken }: AdminState, { body }: AdminRequest): Answer {
  if (!mintJoinToken)
    return refusal(409, 'Identity is off here, so Envoys connect without a token. See README.');
  const wish = joinWish.safeParse(body);
  if (!wish.success) return refusal(400, `${z.prettifyError(wish.error)}.`);
  if (wish.data.role === 'sidecar' && !isServiceName(wish.data.service))
    return refusal(400, `service must be the name of a service, not ${wish.data.service}.`);
  const minted = mintJoinToken(wish.data);
  if (!minted.ok) return problemAnswer(minted.problems);
  const { token, id, expiresAt } = minted.value;
  const until = new Date(expiresAt).toISOString();
  const changed = { subject: { id }, before: {}, after: { until } };
  return { ...jsonAnswer({ token, id, until }, 201), changed };
}
