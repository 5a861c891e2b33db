/**
 * What a registration would break that is about to be written. In a registry it
 * would be a problem on the newcomer; here it can still be refused. Pure.
 */
import { problem, type Problem } from '../errors.js';
import type { Catalogue, Fleet, Registration, Service } from './fleet.js';
import { exposedNameProblems, leads } from './merge.js';

/** The service that a first registration makes. */
export function firstOf(newcomer: Registration, catalogue?: Catalogue): Service {
  const { era, health, traffic, expose, name, path } = newcomer;
  const probe = catalogue && { catalogue, failure: undefined };
  return { era, health, traffic, expose, name, path, instances: [newcomer], probe };
}

/** `catalogue`: what the server of a new service offers, where it was asked. */
export function conflictsWith(
  { services }: Fleet,
  newcomer: Registration,
  catalogue?: Catalogue,
): Problem[] {
  const present = services.find(({ name }) => name === newcomer.name);
  if (present === undefined)
    return newProblems(services, [...services, firstOf(newcomer, catalogue)]);
  const others = present.instances.filter(
    ({ host, port }) => host !== newcomer.host || port !== newcomer.port,
  );
  return [
    ...(others.length > 0 ? wrongPath(present, newcomer) : []),
    ...unusableNames(services, present, newcomer),
  ];
}

function wrongPath({ name, path }: Service, newcomer: Registration): Problem[] {
  if (newcomer.path === path) return [];
  const subject = { service: name, instance: newcomer.id, path: 'url' };
  const message =
    `${name} is served on ${path}, and this instance on ${newcomer.path}. Register it under ` +
    'another name, or give all instances the same path.';
  return [problem('registration_conflict', subject, message)];
}

/** Names of tools that nobody could call any more, its own or another service's. */
function unusableNames(
  services: readonly Service[],
  present: Service,
  newcomer: Registration,
): Problem[] {
  if (!leads(newcomer, present.instances)) return [];
  const changed = { ...present, expose: newcomer.expose };
  const after = services.map((service) => (service === present ? changed : service));
  return newProblems(services, after);
}

function newProblems(before: readonly Service[], after: readonly Service[]): Problem[] {
  const known = new Set(exposedNameProblems(before).map(textOf));
  return exposedNameProblems(after).filter((each) => !known.has(textOf(each)));
}

const textOf = ({ subject, message }: Problem): string => JSON.stringify([subject, message]);
