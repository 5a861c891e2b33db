/** Which versions of a service stand, as far as the control plane can tell. */
import type { Instance, Service } from '../fleet/fleet.js';
import type { VersionFacts, Versions } from './opening.js';

/** One that only Envoy checks passes until the probe finds it silent, while others answer. */
export const passes = ({ probe }: Service, { id, passing, checkedBy }: Instance): boolean =>
  passing && !(checkedBy === 'envoy' && (probe?.silent?.includes(id) ?? false));

/** What nobody would see of a version that is to serve; undefined where its checks tell. */
export function uncheckedWords({ instances }: Service, version: string): string | undefined {
  const own = instances.filter((instance) => instance.version === version);
  const unchecked = own.filter((instance) => instance.unchecked);
  if (unchecked.length === 0) return undefined;
  const which = unchecked.length === own.length ? '' : `${unchecked.length} of the instances of `;
  return (
    `nobody checks ${which}${version}: dead, it would be taken for passing. Give it a Check in ` +
    'Consul, or register it with mcpx service register, then Envoy checks it'
  );
}

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
