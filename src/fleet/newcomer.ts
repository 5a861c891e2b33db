/**
 * What a registration, or its end, would break that is about to be written. In a registry it
 * would be a problem on the newcomer; here it can still be refused. Pure.
 */
import { problem, type Problem } from '../errors.js';
import { fleetWith, serviceNamed } from './changes.js';
import { newlyUnmet } from './dependencies.js';
import type { Catalogue, Fleet, Instance, Registration, Service } from './fleet.js';
import { leads } from './service.js';
import { ownToolProblems, takenToolNames, toolClaims } from './tool_names.js';

/** The service that a first registration makes. */
export function firstOf(newcomer: Registration, catalogue?: Catalogue): Service {
  const { era, health, traffic, expose, allow, name, path } = newcomer;
  const probe = catalogue && { catalogue, failure: undefined };
  return {
    ...{ era, health, traffic, expose, ...(allow && { allow }), name, path, probe },
    ...{ instances: [newcomer], rollout: undefined },
  };
}

/** `catalogue`: what the server of a new service offers, where it was asked. */
export function conflictsWith(
  fleet: Fleet,
  newcomer: Registration,
  catalogue?: Catalogue,
): Problem[] {
  const present = serviceNamed(fleet, newcomer.name);
  if (present === undefined) {
    const first = firstOf(newcomer, catalogue);
    return [...unusableNames(fleet, present, first), ...brokenBy(fleet, present, first)];
  }
  const others = present.instances.filter(
    ({ host, port }) => host !== newcomer.host || port !== newcomer.port,
  );
  const changed = { ...present, expose: newcomer.expose };
  return [
    ...(others.length > 0 ? wrongPath(present, newcomer) : []),
    ...(leads(newcomer, present) ? unusableNames(fleet, present, changed) : []),
    ...brokenBy(fleet, present, { ...present, instances: [...others, newcomer] }),
  ];
}

/** What depends on these instances and could depend on nothing else. */
export function conflictsWithout(fleet: Fleet, name: string, gone: readonly Instance[]): Problem[] {
  const present = serviceNamed(fleet, name);
  if (present === undefined) return [];
  const instances = present.instances.filter((instance) => !gone.includes(instance));
  const after = instances.length > 0 ? { ...present, instances } : undefined;
  return brokenBy(fleet, present, after);
}

/** Dependencies that were met before, or that were not there. */
function brokenBy(
  fleet: Fleet,
  before: Service | undefined,
  after: Service | undefined,
): Problem[] {
  const name = (after ?? before)?.name ?? '';
  const next = fleetWith(fleet, new Map([[name, after]]));
  return [...newlyUnmet(fleet, next, [{ name, before, after }])];
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
function unusableNames(fleet: Fleet, before: Service | undefined, after: Service): Problem[] {
  const { name } = after;
  const next = fleetWith(fleet, new Map([[name, after]]));
  toolClaims.follow(fleet, next, [{ name, before, after }]);
  const known = new Set([...takenToolNames(fleet), ...ownProblems(before)].map(textOf));
  const present = [...ownProblems(after), ...takenToolNames(next)];
  return present.filter((each) => !known.has(textOf(each)));
}

const ownProblems = (service: Service | undefined) => (service ? ownToolProblems(service) : []);

const textOf = ({ subject, message }: Problem): string => JSON.stringify([subject, message]);
