/** Small Envoy messages for tests of snapshots and their delivery. */
import { any, encode } from '../../../src/protos.js';
import {
  buildSnapshot,
  type EncodedResource,
  type EncodedResources,
  type Snapshot,
} from '../../../src/snapshot/snapshot.js';

const managerType =
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

const tlsType = 'envoy.extensions.transport_sockets.tls.v3';

/** An EDS cluster; `mark` makes versions differ, and a secret gives it TLS. */
export const edsCluster = (name: string, mark = 0, secret?: string): EncodedResource => ({
  name,
  bytes: encode('envoy.config.cluster.v3.Cluster', {
    name,
    type: 'EDS',
    connect_timeout: { seconds: 1 + mark },
    eds_cluster_config: { eds_config: { ads: {}, resource_api_version: 'V3' } },
    ...(secret !== undefined && {
      transport_socket: {
        name: 'tls',
        typed_config: any(`${tlsType}.UpstreamTlsContext`, { common_tls_context: taking(secret) }),
      },
    }),
  }),
});

/** What a TLS context says that takes its certificate, and whom it trusts, by SDS. */
const taking = (secret: string) => {
  const sds_config = { ads: {}, resource_api_version: 'V3' } as const;
  return { tls_certificate_sds_secret_configs: [{ name: secret, sds_config }] };
};

/** A certificate with its key, which here are any text. */
export const secret = (name: string, key = 'a key'): EncodedResource => ({
  name,
  bytes: encode(`${tlsType}.Secret`, {
    name,
    tls_certificate: {
      certificate_chain: { inline_string: `certificate of ${name}` },
      private_key: { inline_string: key },
    },
  }),
});

export const staticCluster = (name: string): EncodedResource => ({
  name,
  bytes: encode('envoy.config.cluster.v3.Cluster', { name, type: 'STATIC' }),
});

export const assignment = (name: string, port = 1): EncodedResource => ({
  name,
  bytes: encode('envoy.config.endpoint.v3.ClusterLoadAssignment', {
    cluster_name: name,
    endpoints: [
      {
        lb_endpoints: [
          {
            endpoint: {
              address: { socket_address: { address: '127.0.0.1', port_value: port } },
            },
          },
        ],
      },
    ],
  }),
});

/** A listener whose routes are delivered, with an ext_proc filter on a cluster if one is named. */
export const listener = (
  name: string,
  route: string,
  { mark = 0, processor = '', secret = '' } = {},
): EncodedResource => ({
  name,
  bytes: encode('envoy.config.listener.v3.Listener', {
    name,
    stat_prefix: `mark-${mark}`,
    filter_chains: [
      {
        ...(secret !== '' && {
          transport_socket: {
            name: 'tls',
            typed_config: any(`${tlsType}.DownstreamTlsContext`, {
              common_tls_context: taking(secret),
            }),
          },
        }),
        filters: [
          {
            name: 'http',
            typed_config: any(managerType, {
              stat_prefix: name,
              rds: {
                route_config_name: route,
                config_source: { ads: {}, resource_api_version: 'V3' },
              },
              http_filters: processor === '' ? [] : [processorFilter(processor)],
            }),
          },
        ],
      },
    ],
  }),
});

const processorFilter = (cluster_name: string) => ({
  name: 'processor',
  typed_config: any('envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor', {
    grpc_service: { envoy_grpc: { cluster_name } },
  }),
});

/** Routes to the named clusters; a name beginning with `:` is a cluster header. */
export const routes = (name: string, clusters: readonly string[], mark = 0): EncodedResource => ({
  name,
  bytes: encode('envoy.config.route.v3.RouteConfiguration', {
    name,
    max_direct_response_body_size_bytes: { value: mark },
    virtual_hosts: [
      {
        name: 'all',
        domains: ['*'],
        routes: clusters.map((cluster) => ({
          match: { prefix: `/${cluster}` },
          route: cluster.startsWith(':') ? { cluster_header: cluster.slice(1) } : { cluster },
        })),
      },
    ],
  }),
});

export const encoded = (parts: Partial<EncodedResources>): EncodedResources => ({
  cluster: [],
  endpoint: [],
  listener: [],
  secret: [],
  route: [],
  ...parts,
});

export const snapshotOf = (parts: Partial<EncodedResources>, previous?: Snapshot): Snapshot =>
  buildSnapshot(encoded(parts), previous);
