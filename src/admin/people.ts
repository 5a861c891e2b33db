/**
 * Certificates for people and scripts: who they are to the admin API stands in one, as
 * `…/operator/ana`. As short-lived as all of ours, and never renewed by themselves: an admin
 * gives another one. Their key never comes here.
 */
import { z } from 'zod';
import { problemAnswer, refusal } from './problem.js';
import { jsonAnswer, jsonRow, type AdminRequest, type Answer, type Route } from './route.js';
import { personCertificate, personWish } from './identity_schemas.js';
import type { AdminState } from './state.js';

export function peopleRoutes(state: AdminState): Route[] {
  return [
    {
      method: 'post',
      path: '/v1/certificates/people',
      role: 'admin',
      summary: 'Sign a certificate by which somebody is viewer, operator or admin here',
      request: personWish,
      answers: {
        201: jsonRow('The certificate, and whom its holder can believe', personCertificate),
      },
      problems: [400, 409, 503],
      handle: (request) => sign(state, request),
    },
  ];
}

async function sign({ certificates }: AdminState, { body }: AdminRequest): Promise<Answer> {
  const wish = personWish.safeParse(body);
  if (!wish.success) return refusal(400, `${z.prettifyError(wish.error)}.`);
  if (!certificates)
    return refusal(
      409,
      'Identity is off here, so nobody has a certificate: `mcpx token` makes a token.',
    );
  const { role, name, request } = wish.data;
  const { authority } = certificates;
  const id = authority.spiffeIdOf(`${role}/${name}`);
  const signed = await authority.signRequest(request, id);
  if (!signed.ok) return problemAnswer(signed.problems);
  const { chain, expiresAt } = signed.value;
  const until = new Date(expiresAt).toISOString();
  const changed = { subject: { id }, before: {}, after: { until } };
  return { ...jsonAnswer({ id, chain, roots: authority.roots.value, until }, 201), changed };
}
