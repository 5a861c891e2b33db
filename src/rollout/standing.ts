/** Which versions of a service stand, as far as the control plane can tell. */
import type { Instance, Service } from '../fleet/fleet.js';
import type { VersionFacts, Versions } from './opening.js';

/** One that only Envoy checks passes until the probe finds it silent, while others answer. */
export const passes = ({ probe }: Service, { id, passing, checkedBy }: Instance): boolean =>
  passing && !(checkedBy === 'envoy' && (probe?.silent?.includes(id) ?? false));

export function versionsOf(service: Service): Versions {
  const versions = new Map<string, VersionFacts>();
  for (const instance of service.instances) {
    const { version } = instance;
    const known = versions.get(version);
    versions.set(version, {
      instances: (known?.instances ?? 0) + 1,
      passing: (known?.passing ?? 0) + (passes(service, instance) ? 1 : 0),
      ...{ path: service.path, eras: service.probe?.versions?.[version]?.eras },
    });
  }
  return versions;
}
