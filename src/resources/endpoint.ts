/**
 * Endpoints: a service's instances. A version is a locality (its `sub_zone`),
 * so that a rollout can move shares between versions by locality weights alone.
 */
import { isIPv6 } from 'node:net';
import type { Instance, Service } from '../fleet/fleet.js';
import type { ClusterLoadAssignment } from '../generated/envoy/config/endpoint/v3/ClusterLoadAssignment.js';
import type { LbEndpoint } from '../generated/envoy/config/endpoint/v3/LbEndpoint.js';
import type { LocalityLbEndpoints } from '../generated/envoy/config/endpoint/v3/LocalityLbEndpoints.js';
import { socketAddress } from './address.js';
import { clusterOfService } from './names.js';

export function loadAssignment(service: Service): ClusterLoadAssignment {
  const localities = new Map<string, Instance[]>();
  for (const instance of service.instances) {
    const key = JSON.stringify([instance.priority, instance.version, instance.zone]);
    localities.set(key, [...(localities.get(key) ?? []), instance]);
  }
  const priorities = densePriorities(service.instances);
  return {
    cluster_name: clusterOfService(service.name),
    endpoints: [...localities.entries()]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, instances]) => locality(instances, priorities)),
  };
}

/** Envoy demands priorities without a gap; registrations may leave any. */
function densePriorities(instances: readonly Instance[]): ReadonlyMap<number, number> {
  const distinct = [...new Set(instances.map(({ priority }) => priority))].sort((a, b) => a - b);
  return new Map(distinct.map((priority, index) => [priority, index]));
}

function locality(
  instances: readonly Instance[],
  priorities: ReadonlyMap<number, number>,
): LocalityLbEndpoints {
  const [first] = instances;
  const weight = instances.reduce((sum, instance) => sum + instance.weight, 0);
  return {
    locality: { zone: first?.zone ?? '', sub_zone: first?.version ?? '' },
    load_balancing_weight: { value: weight },
    priority: priorities.get(first?.priority ?? 0) ?? 0,
    lb_endpoints: instances.map(endpoint),
  };
}

const authority = ({ host, port }: Instance): string =>
  `${isIPv6(host) ? `[${host}]` : host}:${port}`;

/** The registry's checks are the health: Envoy does not ask a second time. */
const uncheckedByEnvoy = { health_check_config: { disable_active_health_check: true } };

function endpoint(instance: Instance): LbEndpoint {
  return {
    endpoint: {
      address: socketAddress(instance.host, instance.port),
      // Servers that guard against DNS rebinding want to see their own name in Host.
      hostname: authority(instance),
      ...(instance.checkedBy === 'registry' ? uncheckedByEnvoy : {}),
    },
    // Unhealthy rather than absent: a session on it waits for its return instead of dying.
    health_status: instance.passing ? 'HEALTHY' : 'UNHEALTHY',
    load_balancing_weight: { value: instance.weight },
    metadata: {
      filter_metadata: { 'envoy.lb': { fields: { version: { stringValue: instance.version } } } },
    },
  };
}
