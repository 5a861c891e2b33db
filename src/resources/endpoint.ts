/**
 * Endpoints: a service's instances. A version is a locality (its `sub_zone`), so that a rollout
 * moves shares between versions by locality weights alone, in one push, while sessions stay
 * on their hosts.
 *
 * Shares hold only within a priority, and only while health does not bend them. So where two
 * versions have a share, all their instances stand in priority 0 (a standby helps out as long
 * as that lasts; otherwise the first choice of one version, dying, would leave the whole
 * traffic to the other's) and one healthy host is enough to keep its version's share. Versions
 * without a share drain: they keep their sessions and take nobody, not even when no one else is
 * well. A staged one is there too, so that Envoy has checked it when it is switched to, but as
 * unhealthy: then no session id leads to it.
 *
 * Versions that are retired are not there, so Envoy ends their sessions with a 404, unless nobody
 * else can serve.
 *
 * A version that comes back from there to take everything is unknown to Envoy's own checks, for
 * which it waits: until they pass the other version takes the calls still, as one that is degraded.
 *
 * They drain in priority 0, where they took their share: for a moment Envoy does not find a host
 * that goes to a later priority, and its sessions would be told that they are gone.
 */
import { isIPv6 } from 'node:net';
import type { Instance, Service } from '../fleet/fleet.js';
import type { ClusterLoadAssignment } from '../generated/envoy/config/endpoint/v3/ClusterLoadAssignment.js';
import type { LbEndpoint } from '../generated/envoy/config/endpoint/v3/LbEndpoint.js';
import type { LocalityLbEndpoints } from '../generated/envoy/config/endpoint/v3/LocalityLbEndpoints.js';
import { hasReturned, isGone, loserOf } from '../rollout/drain.js';
import { sharesOf } from '../rollout/shares.js';
import { socketAddress } from './address.js';
import type { Credentials } from './credentials.js';
import { clusterOfService, clusterOfVersion } from './names.js';
import { isSealed, rolloutOf } from './rollout.js';
import { socketMetadata } from './transport_socket.js';

/** Percent of each version; undefined: all share by the weights of their instances. */
type Shares = ReadonlyMap<string, number> | undefined;

/** Localities' weights for one percent: fine enough to be divided among zones. */
const weightOfPercent = 10_000;

/** How many percent of a priority's healthy hosts count: one in a thousand holds a share. */
const oneIsEnough = 100_000;
/** Envoy's own, for hosts that all might be called. */
const usual = 140;

export function loadAssignment(service: Service, credentials?: Credentials): ClusterLoadAssignment {
  const assignment = assignmentIn(service, credentials);
  const shares = sharesOf(service, rolloutOf(service));
  const hasShare = ({ version }: Instance) => (shares?.get(version) ?? 0) > 0;
  const bearers = service.instances.filter(hasShare);
  const isOut = ({ version }: Instance) =>
    service.rollout !== undefined && isGone(service.rollout.document, version);
  const others = service.instances.filter((each) => !hasShare(each) && !isOut(each));
  const name = clusterOfService(service.name);
  const isSplit = new Set(bearers.map(({ version }) => version)).size > 1;
  // One version, or none that may be called: there is nothing to share out.
  if (bearers.length === 0 || (others.length === 0 && !isSplit))
    return assignment(name, placed([...bearers, ...others]));
  const front = isSplit ? weighted(placesOf(together(bearers)), shares) : placed(bearers);
  const substitute = substituteIn(service);
  const drained = placesOf(together(others)).map((place) => {
    const version = versionOf(place);
    if (version === substitute) return { ...place, status: 'DEGRADED' as const };
    const status = isSealed(service, version) ? ('UNHEALTHY' as const) : ('DRAINING' as const);
    return { ...place, weight: undefined, status };
  });
  const isFull = isSplit || substitute !== undefined;
  const factor = isFull ? oneIsEnough : factorBeside(front, others.length);
  const policy = { overprovisioning_factor: { value: factor } };
  return { ...assignment(name, [...front, ...drained]), policy };
}

/** The version that takes calls until Envoy has found the one that serves well. */
function substituteIn({ rollout }: Service): string | undefined {
  if (!rollout || !hasReturned(rollout.document)) return undefined;
  return loserOf(rollout.document.current);
}

/** With which the first priority is as healthy as it was without hosts that drain in it. */
function factorBeside(front: readonly Place[], drained: number): number {
  const first = front.filter(({ priority }) => priority === 0);
  const hosts = first.reduce((sum, { instances }) => sum + instances.length, 0);
  return Math.ceil((usual * (hosts + drained)) / hosts);
}

/** The instances of one version, for the cluster that only they are in. */
export function versionAssignment(
  service: Service,
  version: string,
  credentials?: Credentials,
): ClusterLoadAssignment {
  const own = service.instances.filter((instance) => instance.version === version);
  const assignment = assignmentIn(service, credentials);
  return assignment(clusterOfVersion(service.name, version), placed(own));
}

/** Instances of one priority, version and zone. */
interface Place {
  readonly instances: readonly Instance[];
  readonly priority: number;
  /** Undefined: no share. */
  readonly weight: number | undefined;
  /** Of those that pass. */
  readonly status: 'HEALTHY' | 'DEGRADED' | 'DRAINING' | 'UNHEALTHY';
}

function placesOf(instances: readonly Instance[]): readonly Place[] {
  const places = new Map<string, Instance[]>();
  for (const instance of instances) {
    const key = JSON.stringify([instance.priority, instance.version, instance.zone]);
    places.set(key, [...(places.get(key) ?? []), instance]);
  }
  return [...places.entries()]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([, within]) => ({
      ...{ instances: within, weight: weightOf(within), status: 'HEALTHY' },
      priority: within[0]?.priority ?? 0,
    }));
}

/** A locality may stand in a priority only once. */
const together = (instances: readonly Instance[]): readonly Instance[] =>
  instances.map((instance) => ({ ...instance, priority: 0 }));

const weightOf = (instances: readonly Instance[]): number =>
  instances.reduce((sum, { weight }) => sum + weight, 0);

/** Envoy demands priorities without a gap; registrations may leave any. */
function placed(instances: readonly Instance[]): readonly Place[] {
  const distinct = [...new Set(instances.map(({ priority }) => priority))].sort((a, b) => a - b);
  return placesOf(instances).map((place) => ({
    ...place,
    priority: distinct.indexOf(place.priority),
  }));
}

/** A version's share, divided among its places by the weight of what passes there. */
function weighted(places: readonly Place[], shares: Shares): readonly Place[] {
  const passingWeight = ({ instances }: Place) => weightOf(instances.filter((one) => one.passing));
  const totals = new Map<string, number>();
  for (const place of places) {
    const version = versionOf(place);
    totals.set(version, (totals.get(version) ?? 0) + passingWeight(place));
  }
  return places.map((place) => {
    const version = versionOf(place);
    const part = passingWeight(place) / (totals.get(version) ?? 1);
    // Envoy refuses a weight of 0.
    const weight = Math.max(1, Math.round((shares?.get(version) ?? 0) * weightOfPercent * part));
    return { ...place, weight };
  });
}

const versionOf = ({ instances }: Place): string => instances[0]?.version ?? '';

type Reached = (instance: Instance) => ReturnType<typeof socketMetadata>;

function assignmentIn(service: Service, credentials: Credentials | undefined) {
  const reached: Reached = (instance) => socketMetadata(service, instance, credentials);
  return (cluster: string, places: readonly Place[]): ClusterLoadAssignment => ({
    cluster_name: cluster,
    endpoints: places.map((place) => locality(place, reached)),
  });
}

function locality(place: Place, reached: Reached): LocalityLbEndpoints {
  const { instances, priority, weight, status } = place;
  return {
    locality: { zone: instances[0]?.zone ?? '', sub_zone: versionOf(place) },
    ...(weight === undefined ? {} : { load_balancing_weight: { value: weight } }),
    priority,
    lb_endpoints: instances.map((instance) => endpoint(instance, status, reached)),
  };
}

function authority({ host, port, tls }: Instance): string {
  if (tls.mode === 'tls' && tls.sni !== undefined)
    return port === 443 ? tls.sni : `${tls.sni}:${port}`;
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

function endpoint(instance: Instance, status: Place['status'], reached: Reached): LbEndpoint {
  // Servers that guard against DNS rebinding want to see their own name in Host.
  const hostname = authority(instance);
  return {
    endpoint: {
      ...{ address: socketAddress(instance.host, instance.port), hostname },
      health_check_config:
        instance.checkedBy === 'registry'
          ? // The registry's checks are the health: Envoy does not ask a second time.
            { disable_active_health_check: true }
          : // Or Host is the cluster's name, and in a URL the `@` of a version begins a password.
            { hostname },
    },
    // Unhealthy rather than absent: a session on it waits for its return instead of dying.
    health_status: instance.passing ? status : 'UNHEALTHY',
    load_balancing_weight: { value: instance.weight },
    metadata: {
      filter_metadata: {
        'envoy.lb': { fields: { version: { stringValue: instance.version } } },
        ...reached(instance),
      },
    },
  };
}
