/** Registries: how each is heard, what is held back of it, and the way to accept its loss. */
import type { z } from 'zod';
import type { BeliefStatus } from '../fleet/beliefs.js';
import type { Held } from '../fleet/belief.js';
import type { Registration } from '../fleet/fleet.js';
import { notFound } from './problem.js';
import { jsonAnswer, jsonRow, type AdminRequest, type Answer, type Route } from './route.js';
import { acceptedLoss, registryList } from './schemas.js';
import { didYouMean } from './services.js';
import type { AdminState } from './state.js';

type RegistryView = z.infer<typeof registryList>['registries'][number];
type Services = z.infer<typeof acceptedLoss>['services'];

export function registryRoutes(state: AdminState): Route[] {
  return [
    {
      method: 'get',
      path: '/v1/registries',
      role: 'viewer',
      summary: 'Every registry: whether it is heard, and what is held back of it',
      answers: { 200: jsonRow('The registries', registryList) },
      handle: () =>
        jsonAnswer({ registries: state.beliefs().map((status) => viewOf(state, status)) }),
    },
    {
      method: 'post',
      path: '/v1/registries/{source}/accept',
      role: 'operator',
      summary: 'Let go of the instances that are held back, as the registry means it',
      query: [{ name: 'dryRun', description: '`true` tells what would go, and changes nothing' }],
      answers: { 200: jsonRow('What went, or would go', acceptedLoss) },
      problems: [404],
      handle: (request) => accept(state, request),
    },
  ];
}

function viewOf({ hearing }: AdminState, status: BeliefStatus): RegistryView {
  const { source, since, instances, held } = status;
  return {
    source,
    ...(hearing.value.get(source) ?? { state: 'connecting' }),
    ...(since !== undefined && { since: new Date(since).toISOString() }),
    instances,
    ...(held && { held: heldView(held) }),
  };
}

function heldView({ registrations, until }: Held): NonNullable<RegistryView['held']> {
  return {
    instances: registrations.length,
    ...(until !== undefined && { until: new Date(until).toISOString() }),
    services: byService(registrations),
  };
}

function accept(state: AdminState, { params, query }: AdminRequest): Answer {
  const statuses = state.beliefs();
  const named = params['source'] ?? '';
  const status = statuses.find(({ source }) => source === named);
  if (status === undefined) {
    const sources = statuses.map(({ source }) => source);
    return notFound(`No registry ${named} is configured.${didYouMean(named, sources)}`);
  }
  const { source, held } = status;
  const dryRun = query['dryRun'] === 'true';
  const gone = dryRun ? (held?.registrations ?? []) : state.accept(source);
  const services = byService(gone);
  const changed = { subject: { source }, before: { held: services }, after: { held: [] } };
  return { ...jsonAnswer({ source, dryRun, instances: gone.length, services }), changed };
}

function byService(registrations: readonly Registration[]): Services {
  const services = new Map<string, string[]>();
  for (const { name, id } of registrations) {
    const instances = services.get(name) ?? [];
    instances.push(id);
    services.set(name, instances);
  }
  return [...services].map(([service, instances]) => ({ service, instances }));
}
