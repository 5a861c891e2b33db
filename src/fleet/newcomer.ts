/**
 * What a registration would break that is about to be written. In a registry it
 * would be a problem on the newcomer; here it can still be refused. Pure.
 */
import { problem, type Problem } from '../errors.js';
import type { Fleet, Registration, Service } from './fleet.js';
import { exposedNameProblems, leads } from './merge.js';

export function conflictsWith({ services }: Fleet, newcomer: Registration): Problem[] {
  const present = services.find(({ name }) => name === newcomer.name);
  if (present === undefined) return [];
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
  const before = new Set(exposedNameProblems(services).map(textOf));
  return exposedNameProblems(after).filter((each) => !before.has(textOf(each)));
}

const textOf = ({ subject, message }: Problem): string => JSON.stringify([subject, message]);
