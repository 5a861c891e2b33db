/** Services: shown from the fleet; written to one registry, whose watch brings the change back. */
import { nearest } from '../config.js';
import { reasonOf, type Outcome, type Problem } from '../errors.js';
import { exposedServices } from '../fleet/exposed_services.js';
import type { Fleet, Instance } from '../fleet/fleet.js';
import { conflictsWith, conflictsWithout } from '../fleet/newcomer.js';
import type { Log } from '../log.js';
import { decodeRegistration } from '../registry/decode.js';
import type { Registry, RegistrationDocument } from '../registry/registry.js';
import { registrationSchema } from '../registry/schema.js';
import { listed, notFound, problemAnswer } from './problem.js';
import { jsonAnswer, jsonRow, type AdminRequest, type Answer, type Route } from './route.js';
import { registered, removed, serviceDetail, serviceList } from './schemas.js';
import type { AdminState } from './state.js';
import { detailOf, summaries } from './view.js';

const anywhere = ['0.0.0.0/0', '::/0'];

export function serviceRoutes(state: AdminState, log: Log): Route[] {
  return [
    {
      method: 'get',
      path: '/v1/services',
      role: 'viewer',
      summary: 'Every service of the fleet',
      answers: { 200: jsonRow('The services, sorted by name', serviceList) },
      handle: () => jsonAnswer({ services: summaries(state.fleet.value) }),
    },
    {
      method: 'get',
      path: '/v1/services/{name}',
      role: 'viewer',
      summary: 'All that is known of one service',
      answers: { 200: jsonRow('The service', serviceDetail) },
      problems: [404],
      handle: ({ params }) => show(state, params['name'] ?? ''),
    },
    {
      method: 'post',
      path: '/v1/services',
      role: 'operator',
      summary: 'Register an instance, or replace the one of the same name and url',
      request: registrationSchema,
      answers: {
        200: jsonRow('It was registered before, and is replaced or unchanged', registered),
        201: jsonRow('It is registered', registered),
      },
      problems: [400, 409, 413, 415, 422, 503],
      handle: ({ body }) => register(state, log, body),
    },
    {
      method: 'delete',
      path: '/v1/services/{name}',
      role: 'operator',
      summary: 'Remove every instance of a service that was registered here',
      answers: { 200: jsonRow('The instances that were removed', removed) },
      problems: [404, 409, 503],
      handle: ({ params }) => remove(state, log, params),
    },
    {
      method: 'delete',
      path: '/v1/services/{name}/instances/{id}',
      role: 'operator',
      summary: 'Remove one instance of a service',
      answers: { 200: jsonRow('The instance that was removed', removed) },
      problems: [404, 409, 503],
      handle: ({ params }) => remove(state, log, params),
    },
  ];
}

function show({ fleet, problems, askedAt }: AdminState, name: string): Answer {
  const service = fleet.value.services.find((candidate) => candidate.name === name);
  const exposed = exposedServices(fleet.value).find((candidate) => candidate.name === name);
  if (service && exposed) return jsonAnswer(detailOf(service, exposed, problems(), askedAt(name)));
  const about = problems().filter(({ subject }) => subject.service === name);
  if (about.length > 0) {
    const reasons = about.map(({ message }) => message).join(' ');
    return notFound(`${name} is registered but not in the fleet: ${reasons}`);
  }
  const names = fleet.value.services.map((candidate) => candidate.name);
  return notFound(`There is no service ${name}.${didYouMean(name, names)}`);
}

export function didYouMean(word: string, candidates: readonly string[]): string {
  const near = nearest(word, candidates);
  return near === undefined ? '' : ` Did you mean ${near}?`;
}

async function register(
  state: AdminState,
  log: Log,
  document: RegistrationDocument,
): Promise<Answer> {
  const conflicts = await conflictsOf(state, document);
  if (conflicts.length > 0) return problemAnswer(conflicts, 409);
  // Now: what comes back through the watch would be taken for what was there before.
  const stood = state.fleet.value;
  const done = await settled(state, (registry) => registry.put(document));
  if (!done.ok) return notRegistered(state, log, done.problems);
  const { registration, change, warnings } = done.value;
  const { name, id, source } = registration;
  const [before = null] = standing(stood, name, (each) => each.source === source && each.id === id);
  log.info({ service: name, instance: id, source, change }, 'registered');
  return {
    ...jsonAnswer(
      {
        ...{ change, registration, warnings: warnings.map(listed) },
        ...(before && change === 'replaced' && { replaces: before.version }),
      },
      change === 'added' ? 201 : 200,
    ),
    headers: { location: `/v1/services/${encodeURIComponent(name)}` },
    changed: { subject: { service: name, instance: id, source }, before, after: registration },
  };
}

/** Somebody may try what this machine can reach that they cannot. */
function notRegistered({ metrics }: AdminState, log: Log, problems: readonly Problem[]): Answer {
  for (const { subject, message } of problems.filter(({ code }) => code === 'target_refused')) {
    metrics.adminRefused.inc({ reason: 'target' });
    log.warn({ ...subject, reason: message }, 'refused a registration');
  }
  return problemAnswer(problems);
}

/** Instances as they stand, with what their service says of all: comparable to a registration. */
function standing(
  { services }: Fleet,
  name: string,
  which: (instance: Instance) => boolean,
): readonly { readonly version: string }[] {
  const service = services.find((candidate) => candidate.name === name);
  if (!service) return [];
  const { path, era, health, traffic, expose, instances } = service;
  return instances
    .filter(which)
    .map((each) => ({ name, ...each, path, era, health, traffic, expose }));
}

/** What would be wrong in the fleet because of it; wrong fields are the registry's to tell. */
async function conflictsOf(
  { fleet, write, allowedTargets, ask }: AdminState,
  document: RegistrationDocument,
): Promise<Problem[]> {
  const decoded = decodeRegistration(document, {
    ...{ source: write, allowedTargets, identity: { clearTargets: anywhere } },
  });
  if (!decoded.ok) return [];
  const newcomer = decoded.value.value;
  // Only names without a prefix can be somebody else's.
  const catalogue = newcomer.expose.prefix ? undefined : await ask(newcomer);
  return conflictsWith(fleet.value, newcomer, catalogue);
}

async function remove(
  state: AdminState,
  log: Log,
  params: AdminRequest['params'],
): Promise<Answer> {
  const { name = '', id } = params;
  const { write, fleet } = state;
  const service = fleet.value.services.find((candidate) => candidate.name === name);
  const gone = service?.instances.filter(
    (each) => each.source === write && (id === undefined || each.id === id),
  );
  const conflicts = conflictsWithout(fleet.value, name, gone ?? []);
  if (conflicts.length > 0) return problemAnswer(conflicts, 409);
  state.removing(write, { service: name, instance: id });
  const stood = fleet.value;
  const done = await settled(state, (registry) => registry.remove(name, id));
  if (!done.ok) return problemAnswer(done.problems.map((each) => toldWhere(state, each, params)));
  const ids = new Set(done.value);
  log.info({ service: name, instances: done.value, source: write }, 'deregistered');
  const before = standing(stood, name, (each) => each.source === write && ids.has(each.id));
  const subject = { service: name, source: write, ...(id !== undefined && { instance: id }) };
  return { ...jsonAnswer({ removed: done.value }), changed: { subject, before, after: [] } };
}

/** What another registry holds cannot be removed here: say where it can. */
function toldWhere({ fleet, write }: AdminState, problem: Problem, params: AdminRequest['params']) {
  const { name = '', id } = params;
  if (problem.code !== 'not_found') return problem;
  const services = fleet.value.services;
  const service = services.find((candidate) => candidate.name === name);
  if (service === undefined) {
    const names = services.map((candidate) => candidate.name);
    return { ...problem, message: `There is no service ${name}.${didYouMean(name, names)}` };
  }
  const elsewhere = service.instances.filter(
    (instance) => instance.source !== write && (id === undefined || instance.id === id),
  );
  const sources = [...new Set(elsewhere.map(({ source }) => source))];
  if (sources.length === 0) return problem;
  const what = id === undefined ? name : `${id} of ${name}`;
  const message =
    `${what} is registered in ${sources.join(' and ')}, and admin writes go to ${write}. ` +
    `Deregister it there.`;
  return { ...problem, message };
}

/** A registry's answer to a write; one that throws is one that cannot be reached. */
async function settled<T>(
  { registries, write }: AdminState,
  ask: (registry: Registry) => Promise<Outcome<T>>,
): Promise<Outcome<T>> {
  const registry = registries.get(write);
  const unreachable = (message: string): Outcome<T> => ({
    ok: false,
    problems: [
      {
        code: 'registry_unreachable',
        severity: 'error',
        actor: 'operator',
        subject: { source: write },
        message,
      },
    ],
  });
  if (registry === undefined)
    return unreachable(`registry.write names ${write}, which is not configured under registry.`);
  try {
    return await ask(registry);
  } catch (error) {
    return unreachable(`${write} did not take the change: ${reasonOf(error)}. Try again.`);
  }
}
