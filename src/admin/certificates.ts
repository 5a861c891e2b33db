/** Certificates: whose there are, which roots are trusted, and the way to a new root. */
import { z } from 'zod';
import { gatewayLateAt, lateAt } from '../certificates/renewal.js';
import type { RootStatus } from '../certificates/roots.js';
import { systemClock } from '../clock.js';
import { problemAnswer, refusal } from './problem.js';
import { jsonAnswer, jsonRow, type AdminRequest, type Answer, type Route } from './route.js';
import { certificateList, rotation, rootList } from './identity_schemas.js';
import type { AdminState, CertificateState } from './state.js';

type RootView = z.infer<typeof rootList>['roots'][number];

export function certificateRoutes(state: AdminState): Route[] {
  return [
    {
      method: 'get',
      path: '/v1/certificates',
      role: 'viewer',
      summary: 'The roots of our authority, and every certificate that is held; no keys',
      answers: { 200: jsonRow('Roots and certificates', certificateList) },
      handle: () => jsonAnswer(listOf(state)),
    },
    {
      method: 'post',
      path: '/v1/certificates/rotate',
      role: 'admin',
      summary: 'Have the authority sign with a new root, when everybody trusts it or at once',
      request: rotation,
      answers: { 200: jsonRow('The roots there are now', rootList) },
      problems: [400, 409, 500],
      handle: (request) => rotate(state, request),
    },
  ];
}

function listOf(state: AdminState): z.infer<typeof certificateList> {
  return { ...ofWorkloads(state), ...ofGateway(state) };
}

function ofGateway({ gatewayCertificate }: AdminState) {
  const held = gatewayCertificate?.();
  if (!held) return {};
  const { file, notBefore, expiresAt } = held;
  const late = gatewayLateAt(held) <= systemClock.now();
  return {
    gateway: { file, notBefore: instant(notBefore), expiresAt: instant(expiresAt), late },
  };
}

function ofWorkloads({ certificates }: AdminState): z.infer<typeof certificateList> {
  if (!certificates) return { identity: 'off', roots: [], certificates: [] };
  const { authority, issuer, material } = certificates;
  const now = systemClock.now();
  const held = [...material.value.certificates].sort(([one], [other]) => (one < other ? -1 : 1));
  return {
    ...{ identity: 'mutual', issuer, roots: viewsOf(authority.list()) },
    certificates: held.map(([workload, { spiffeId, notBefore, expiresAt }]) => ({
      ...{ workload, spiffeId, notBefore: instant(notBefore), expiresAt: instant(expiresAt) },
      late: lateAt({ notBefore, expiresAt }, issuer) <= now,
    })),
  };
}

async function rotate({ certificates }: AdminState, { body }: AdminRequest): Promise<Answer> {
  const wish = rotation.safeParse(body);
  if (!wish.success) return refusal(400, `${z.prettifyError(wish.error)}.`);
  if (!certificates)
    return refusal(409, 'Identity is off here, so there is no root. Set identity.mode: mutual.');
  const before = shortly(certificates);
  const rotated = await certificates.authority.rotate(wish.data.now ? 'now' : 'soon');
  if (!rotated.ok) {
    const isRefused = rotated.problems.every(({ code }) => code === 'request_invalid');
    return problemAnswer(rotated.problems, isRefused ? 409 : undefined);
  }
  const changed = { subject: { authority: 'roots' }, before, after: shortly(certificates) };
  return { ...jsonAnswer({ roots: viewsOf(rotated.value) }), changed };
}

const shortly = ({ authority }: CertificateState): Readonly<Record<string, string>> =>
  Object.fromEntries(authority.list().map(({ fingerprint, state }) => [fingerprint, state]));

const viewsOf = (roots: readonly RootStatus[]): RootView[] =>
  roots.map(({ fingerprint, state, since, until, expiresAt, certificate }) => ({
    ...{ fingerprint, state, since: instant(since) },
    ...(until !== undefined && { until: instant(until) }),
    ...{ expiresAt: instant(expiresAt), certificate },
  }));

const instant = (at: number): string => new Date(at).toISOString();
