/**
 * What differs between two fleets. Services are sorted, and an unchanged one is
 * the same object, so looking for what changed reads no service that did not.
 */
import type { Fleet, Service } from './fleet.js';
import { remembered } from './step.js';

export interface ServiceChange {
  readonly name: string;
  /** Undefined: it is new. */
  readonly before: Service | undefined;
  /** Undefined: it is gone. */
  readonly after: Service | undefined;
}

export const fleetChanges = remembered(changesBetween);

function changesBetween(before: Fleet, after: Fleet): readonly ServiceChange[] {
  if (before === after) return [];
  const changes: ServiceChange[] = [];
  let at = 0;
  for (const service of after.services) {
    let earlier = before.services[at];
    if (earlier === service) {
      at++;
      continue;
    }
    while (earlier !== service && earlier !== undefined && earlier.name < service.name) {
      changes.push({ name: earlier.name, before: earlier, after: undefined });
      earlier = before.services[++at];
    }
    const { name } = service;
    if (earlier?.name !== name) changes.push({ name, before: undefined, after: service });
    else {
      if (earlier !== service) changes.push({ name, before: earlier, after: service });
      at++;
    }
  }
  for (const gone of before.services.slice(at))
    changes.push({ name: gone.name, before: gone, after: undefined });
  return changes;
}

/** The fleet with other services of these names; undefined takes one out. */
export function fleetWith(
  { services }: Fleet,
  changed: ReadonlyMap<string, Service | undefined>,
): Fleet {
  const parts: Service[][] = [];
  let taken = 0;
  for (const [name, service] of [...changed].sort(byName)) {
    const at = placeOf(services, name);
    parts.push(services.slice(taken, at), service ? [service] : []);
    taken = services[at]?.name === name ? at + 1 : at;
  }
  return { services: ([] as Service[]).concat(...parts, services.slice(taken)) };
}

export function serviceNamed({ services }: Fleet, name: string): Service | undefined {
  const found = services[placeOf(services, name)];
  return found?.name === name ? found : undefined;
}

/** Where the service of this name is, or would be. */
function placeOf(services: readonly Service[], name: string): number {
  let [low, high] = [0, services.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((services[middle]?.name ?? '') < name) low = middle + 1;
    else high = middle;
  }
  return low;
}

const byName = ([one]: readonly [string, unknown], [other]: readonly [string, unknown]) =>
  one < other ? -1 : 1;
