/** What a resource names in other resources, read from its bytes once and remembered. */
import { decode } from '../protos.js';
import type { Resource, ResourceKind } from './snapshot.js';

interface References {
  readonly clusters: readonly string[];
  readonly routes: readonly string[];
  /** What its TLS contexts take by SDS over the aggregated stream. */
  readonly secrets: readonly string[];
  /** The ClusterLoadAssignment of an EDS cluster. */
  readonly assignment: string | undefined;
}

/** The cluster of every bootstrap (`envoy/edge.yaml`): always there, and never sent. */
export const bootstrapCluster = 'mcpx_xds';

/** And that of a sidecar's (`envoy/sidecar.yaml`): the server beside it. */
const localCluster = 'mcpx_local';

const known = new WeakMap<Resource, References>();
const none: References = { clusters: [], routes: [], secrets: [], assignment: undefined };

export function referencesOf(kind: ResourceKind, resource: Resource): References {
  const remembered = known.get(resource);
  if (remembered) return remembered;
  const references = readers[kind](resource);
  known.set(resource, references);
  return references;
}

const readers: Readonly<Record<ResourceKind, (resource: Resource) => References>> = {
  cluster: readCluster,
  endpoint: () => none,
  secret: () => none,
  listener: ({ bytes }) => collect(decode('envoy.config.listener.v3.Listener', bytes)),
  route: ({ bytes }) => collect(decode('envoy.config.route.v3.RouteConfiguration', bytes)),
};

function readCluster({ name, bytes }: Resource): References {
  const cluster = decode('envoy.config.cluster.v3.Cluster', bytes);
  const { transport_socket, transport_socket_matches = [] } = cluster;
  const secured = transport_socket || transport_socket_matches.length > 0;
  const { secrets } = secured ? collect({ transport_socket, transport_socket_matches }) : none;
  if (cluster.type !== 'EDS') return secrets.length > 0 ? { ...none, secrets } : none;
  const serviceName = cluster.eds_cluster_config?.service_name;
  return { ...none, secrets, assignment: serviceName || name };
}

/**
 * Looks for the fields by which listeners and routes name clusters, routes and
 * secrets, wherever they stand: filters bring such fields in depths of their
 * own. A `cluster_header` names no cluster, so it is no reference.
 */
function collect(message: object): References {
  const clusters = new Set<string>();
  const routes = new Set<string>();
  const secrets = new Set<string>();
  visit(message, (key, value) => {
    if (field(field(value, 'sds_config'), 'ads')) addText(secrets, field(value, 'name'));
    // In metadata, where our own script reads it, it stands in a value of a struct.
    if (key === 'cluster') addText(clusters, field(value, 'stringValue') ?? value);
    else if (key === 'envoy_grpc') addText(clusters, field(value, 'cluster_name'));
    else if (key === 'rds') addText(routes, field(value, 'route_config_name'));
    else if (key === 'weighted_clusters')
      for (const share of list(field(value, 'clusters'))) addText(clusters, field(share, 'name'));
  });
  for (const own of [bootstrapCluster, localCluster]) clusters.delete(own);
  const sorted = (names: Set<string>) => [...names].sort();
  return {
    ...{ clusters: sorted(clusters), routes: sorted(routes), secrets: sorted(secrets) },
    assignment: undefined,
  };
}

function visit(node: object, see: (key: string, value: unknown) => void): void {
  for (const [key, value] of Object.entries(node) as [string, unknown][]) {
    see(key, value);
    if (typeof value === 'object' && value !== null && !Buffer.isBuffer(value)) visit(value, see);
  }
}

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

function addText(names: Set<string>, value: unknown): void {
  if (typeof value === 'string' && value !== '') names.add(value);
}
