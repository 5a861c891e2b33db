/**
 * Clusters: one per service, one more for the new version of a rollout, and our own. A service's
 * policy (timeout, retries, path) travels in its cluster, so the routes are constant and a
 * registration costs every Envoy one cluster and its endpoints, never a route table.
 */
import { isIP } from 'node:net';
import type { HealthPolicy, Instance, Service, TrafficPolicy } from '../fleet/fleet.js';
import type { Cluster } from '../generated/envoy/config/cluster/v3/Cluster.js';
import type { HealthCheck } from '../generated/envoy/config/core/v3/HealthCheck.js';
import type { RetryPolicy } from '../generated/envoy/config/route/v3/RetryPolicy.js';
import { any } from '../protos.js';
import { oneEndpoint, pipeAddress, socketAddress } from './address.js';
import type { Credentials } from './credentials.js';
import { duration } from './duration.js';
import { watchingFilters } from './filters.js';
import {
  bridgeCluster,
  clusterOfService,
  clusterOfVersion,
  filterCluster,
  metadataNamespace,
  mirrorCluster,
} from './names.js';
import { isWatched } from './rollout.js';
import { mirrorSocket, type ResourceSettings } from './settings.js';
import { clusterSockets } from './transport_socket.js';

const httpOptions = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** Node closes an idle connection after 5 s: leave first, or a request meets a closing door. */
const upstreamIdleMs = 4_000;

/**
 * Envoy ends every ext_proc stream by a reset, and Node closes a connection after
 * a thousand of them: change it before, or calls in flight fail.
 */
const filterRequestsPerConnection = 900;

const connectTimeoutMs = 1_000;

/**
 * Repeats only what no server has begun: the connection failed, the stream was
 * refused, or the reset came before the request was sent. A tool is never called twice.
 */
function retryPolicy(retries: number): RetryPolicy {
  return {
    retry_on: 'connect-failure,refused-stream,reset-before-request',
    num_retries: { value: retries },
    retry_host_predicate: [
      {
        name: 'envoy.retry_host_predicates.previous_hosts',
        typed_config: any(
          'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
          {},
        ),
      },
    ],
    host_selection_retry_max_attempts: 5,
    retry_back_off: { base_interval: duration(5), max_interval: duration(100) },
  };
}

export const serviceCluster = (service: Service, credentials?: Credentials): Cluster => ({
  ...clusterOf(clusterOfService(service.name), service, service.instances),
  ...clusterSockets(service, service.instances, credentials),
});

/** That of one version, by itself: for those who ask for it by name. */
export function versionCluster(
  service: Service,
  version: string,
  credentials?: Credentials,
): Cluster {
  const own = service.instances.filter((instance) => instance.version === version);
  return {
    ...clusterOf(clusterOfVersion(service.name, version), service, own),
    ...clusterSockets(service, own, credentials),
  };
}

function clusterOf(name: string, service: Service, instances: readonly Instance[]): Cluster {
  const { traffic, health, path } = service;
  return {
    name,
    type: 'EDS',
    eds_cluster_config: { eds_config: { ads: {}, resource_api_version: 'V3' } },
    connect_timeout: duration(connectTimeoutMs),
    lb_policy: loadBalancing[traffic.balance],
    common_lb_config: {
      // Never balance onto hosts known to be bad: an agent is better told at once.
      healthy_panic_threshold: { value: 0 },
      locality_weighted_lb_config: {},
      // Envoy would hold a change of health back for up to a second.
      update_merge_window: duration(0),
      // A version that drains keeps the sessions it has.
      override_host_status: { statuses: ['UNKNOWN', 'HEALTHY', 'DEGRADED', 'DRAINING'] },
    },
    // Without it a deregistered instance keeps its traffic while its check passes.
    ignore_health_on_host_removal: true,
    outlier_detection: outlierDetection(traffic.outlier),
    circuit_breakers: { thresholds: [breakerThresholds(traffic.breaker)] },
    health_checks: instances.some(({ checkedBy }) => checkedBy === 'envoy')
      ? healthChecks(health, path)
      : [],
    metadata: {
      filter_metadata: {
        [metadataNamespace]: {
          fields: {
            path: { stringValue: path },
            timeout_ms: { stringValue: String(traffic.timeoutMs) },
          },
        },
      },
    },
    typed_extension_protocol_options: {
      [httpOptions]: any(httpOptions, {
        explicit_http_config: { http_protocol_options: {} },
        common_http_protocol_options: { idle_timeout: duration(upstreamIdleMs) },
        retry_policy: retryPolicy(traffic.retries),
        ...(isWatched(service) ? { http_filters: watchingFilters() } : {}),
      }),
    },
  };
}

const loadBalancing = {
  least_request: 'LEAST_REQUEST',
  round_robin: 'ROUND_ROBIN',
  random: 'RANDOM',
} as const;

function outlierDetection(outlier: TrafficPolicy['outlier']): Cluster['outlier_detection'] {
  return {
    consecutive_5xx: { value: outlier.consecutiveErrors },
    consecutive_gateway_failure: { value: outlier.consecutiveErrors },
    enforcing_consecutive_gateway_failure: { value: 100 },
    enforcing_success_rate: { value: 0 },
    interval: duration(outlier.intervalMs),
    base_ejection_time: duration(outlier.ejectionMs),
    max_ejection_percent: { value: 50 },
    // An ejection lasts its time: a passing health check does not prove that tools work.
    successful_active_health_check_uneject_host: { value: false },
  };
}

function breakerThresholds(breaker: TrafficPolicy['breaker']) {
  return {
    max_connections: { value: breaker.connections },
    max_pending_requests: { value: breaker.pending },
    max_requests: { value: breaker.requests },
    // Retries may be a fifth of the traffic; a fixed count would be too few or too many.
    retry_budget: { budget_percent: { value: 20 }, min_retry_concurrency: { value: 10 } },
  };
}

/** `ping` is known to every legacy server and refused politely by modern ones: both are alive. */
const ping = JSON.stringify({ jsonrpc: '2.0', id: 'mcpx-health', method: 'ping' });

/** As long as nobody calls a service, who was well is asked this seldom, at the most. */
const idleIntervalMs = 60_000;

function healthChecks(health: HealthPolicy, path: string): HealthCheck[] {
  if (health.kind === 'none') return [];
  // A host that fails is asked again sooner than one that is well.
  const soon = duration(Math.min(health.intervalMs, 2_000));
  const check = {
    interval: duration(health.intervalMs),
    timeout: duration(health.timeoutMs),
    unhealthy_threshold: { value: health.unhealthyAfter },
    healthy_threshold: { value: health.healthyAfter },
    unhealthy_interval: soon,
    // Envoy would leave whoever fails before the first call to itself for a minute, and no call
    // comes to it then.
    no_traffic_interval: soon,
    no_traffic_healthy_interval: duration(Math.max(health.intervalMs, idleIntervalMs)),
    ...healthCheckers[health.kind](path),
  };
  return [check];
}

const healthCheckers: Readonly<
  Record<Exclude<HealthPolicy['kind'], 'none'>, (path: string) => HealthCheck>
> = {
  mcp: (path) => ({
    http_health_check: {
      path,
      method: 'POST',
      send: { text: Buffer.from(ping).toString('hex') },
      request_headers_to_add: [
        { header: { key: 'content-type', value: 'application/json' } },
        { header: { key: 'accept', value: 'application/json, text/event-stream' } },
      ],
      // A refusal of this very request still comes from a server that lives.
      expected_statuses: [{ start: 200, end: 500 }],
    },
  }),
  http: (path) => ({
    http_health_check: { path, expected_statuses: [{ start: 200, end: 400 }] },
  }),
  tcp: () => ({ tcp_health_check: {} }),
};

/** The filter service: asked over gRPC by ext_proc, and answering `/mcp` over HTTP. */
export function filterServiceClusters({ filter }: ResourceSettings): readonly Cluster[] {
  return [
    {
      ...ownCluster(filterCluster, filter.host, filter.port),
      typed_extension_protocol_options: {
        [httpOptions]: any(httpOptions, {
          explicit_http_config: { http2_protocol_options: {} },
          common_http_protocol_options: {
            max_requests_per_connection: { value: filterRequestsPerConnection },
          },
        }),
      },
    },
    {
      ...ownCluster(bridgeCluster, filter.host, filter.bridgePort),
      metadata: {
        filter_metadata: {
          [metadataNamespace]: { fields: { timeout_ms: { stringValue: '60000' } } },
        },
      },
      typed_extension_protocol_options: {
        [httpOptions]: any(httpOptions, {
          explicit_http_config: { http_protocol_options: {} },
          common_http_protocol_options: { idle_timeout: duration(upstreamIdleMs) },
          retry_policy: retryPolicy(3),
        }),
      },
    },
  ];
}

/** Back into the same Envoy. */
export function mirrorClusterOf(settings: ResourceSettings): Cluster {
  return {
    name: mirrorCluster,
    type: 'STATIC',
    connect_timeout: duration(connectTimeoutMs),
    load_assignment: oneEndpoint(mirrorCluster, pipeAddress(mirrorSocket(settings))),
  };
}

function ownCluster(name: string, host: string, port: number): Cluster {
  return {
    name,
    type: isIP(host) === 0 ? 'STRICT_DNS' : 'STATIC',
    connect_timeout: duration(connectTimeoutMs),
    load_assignment: oneEndpoint(name, socketAddress(host, port)),
    circuit_breakers: {
      thresholds: [
        {
          max_connections: { value: 10_000 },
          max_pending_requests: { value: 10_000 },
          max_requests: { value: 100_000 },
        },
      ],
    },
  };
}
