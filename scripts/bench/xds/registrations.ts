/** The services of this benchmark, as a registry would report them: all alike, four instances. */
import { defaultPolicy, inClear } from '../../../src/fleet/defaults.js';
import type { Registration } from '../../../src/fleet/fleet.js';
import { newVersion, oldVersion } from './rollouts.js';

export const instancesPerService = 4;

/** Below every port that a change brings. */
const firstPort = 10_000;

/** `service-00042`: the fleet knows these names. */
export const nameOf = (service: number): string => `service-${String(service).padStart(5, '0')}`;

export function instanceOf(service: number, instance: number, port?: number): Registration {
  const name = nameOf(service);
  return {
    ...defaultPolicy,
    era: 'modern',
    id: `${name}-${instance}`,
    source: 'file',
    name,
    version: oldVersion,
    host: `10.${service >> 8}.${service & 255}.${instance + 1}`,
    port: port ?? firstPort + instance,
    path: '/mcp',
    tags: [],
    metadata: {},
    zone: '',
    weight: 100,
    priority: 0,
    checkedBy: 'envoy',
    passing: true,
    tls: inClear,
    dependsOn: [],
  };
}

/** `isSplit`: half of them are the new version of a rollout. */
export function registrationsOf(service: number, isSplit = false): readonly Registration[] {
  const isNew = (instance: number): boolean => isSplit && instance >= instancesPerService / 2;
  return Array.from({ length: instancesPerService }, (_, instance) => ({
    ...instanceOf(service, instance),
    version: isNew(instance) ? newVersion : oldVersion,
  }));
}
