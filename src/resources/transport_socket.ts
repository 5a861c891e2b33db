/**
 * How a connection is made: in clear, by TLS, or with certificates on both sides.
 *
 * Wherever workloads have certificates, every cluster says for each way of reaching an instance
 * how, by name, and an instance says its name (`envoy.transport_socket_match`). Whatever matches
 * none takes the strictest of all: so no instance is ever reached in clear because one message
 * came before another.
 */
import type { Instance, Service } from '../fleet/fleet.js';
import type { Cluster } from '../generated/envoy/config/cluster/v3/Cluster.js';
import type { Metadata } from '../generated/envoy/config/core/v3/Metadata.js';
import type { TransportSocket } from '../generated/envoy/config/core/v3/TransportSocket.js';
import type { CertificateValidationContext } from '../generated/envoy/extensions/transport_sockets/tls/v3/CertificateValidationContext.js';
import type { CommonTlsContext } from '../generated/envoy/extensions/transport_sockets/tls/v3/CommonTlsContext.js';
import type { SdsSecretConfig } from '../generated/envoy/extensions/transport_sockets/tls/v3/SdsSecretConfig.js';
import { any } from '../protos.js';
import type { Credentials } from './credentials.js';
import { gatewayClientsSecret, gatewaySecret, secretNames } from './names.js';

const tls = 'envoy.extensions.transport_sockets.tls.v3';
const socketName = 'envoy.transport_sockets.tls';

/** Envoy's own default for a client stops at 1.2. */
const onlyTls13 = {
  tls_minimum_protocol_version: 'TLSv1_3',
  tls_maximum_protocol_version: 'TLSv1_3',
} as const;

const bySds = (name: string): SdsSecretConfig => ({
  name,
  sds_config: { ads: {}, resource_api_version: 'V3' },
});

type Names = NonNullable<CertificateValidationContext['match_typed_subject_alt_names']>;

/** Signed by one of these roots, and by this name. */
const peer = (roots: string, names: Names): CommonTlsContext => ({
  tls_params: onlyTls13,
  combined_validation_context: {
    default_validation_context: { match_typed_subject_alt_names: names },
    validation_context_sds_secret_config: bySds(roots),
  },
});

/** A ticket would let a peer in again whose certificate has ended meanwhile. */
const everyTimeAnew = { max_session_keys: { value: 0 } };

function mutual(spiffeId: string, sni: string | undefined): TransportSocket {
  return {
    name: socketName,
    typed_config: any(`${tls}.UpstreamTlsContext`, {
      common_tls_context: {
        ...peer(secretNames.roots, [{ san_type: 'URI', matcher: { exact: spiffeId } }]),
        tls_certificate_sds_secret_configs: [bySds(secretNames.own)],
      },
      ...everyTimeAnew,
      ...(sni !== undefined && { sni }),
    }),
  };
}

function serverOnly(host: string, sni: string | undefined): TransportSocket {
  const named: Names =
    sni === undefined
      ? [{ san_type: 'IP_ADDRESS', matcher: { exact: host } }]
      : [{ san_type: 'DNS', matcher: { exact: sni } }];
  return {
    name: socketName,
    typed_config: any(`${tls}.UpstreamTlsContext`, {
      common_tls_context: peer(secretNames.serverRoots, named),
      ...everyTimeAnew,
      ...(sni !== undefined && { sni }),
    }),
  };
}

const inClear: TransportSocket = {
  name: 'envoy.transport_sockets.raw_buffer',
  typed_config: {
    type_url: 'type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer',
    value: Buffer.alloc(0),
  },
};

/** One way of reaching instances, and what instances call it. */
interface Way {
  readonly name: string;
  readonly socket: () => TransportSocket;
}

function wayTo({ tls: { mode, spiffe, sni }, host }: Instance, own: string): Way {
  if (mode === 'off') return { name: 'off', socket: () => inClear };
  const asked = sni === undefined ? '' : ` as ${sni}`;
  if (mode === 'tls') return { name: `tls ${sni ?? host}`, socket: () => serverOnly(host, sni) };
  const id = spiffe ?? own;
  return { name: `mutual ${id}${asked}`, socket: () => mutual(id, sni) };
}

type Sockets = Pick<Cluster, 'transport_socket' | 'transport_socket_matches'>;

/** Of a cluster of these instances; nothing where workloads have no certificates. */
export function clusterSockets(
  { name }: Pick<Service, 'name'>,
  instances: readonly Instance[],
  credentials: Credentials | undefined,
): Sockets {
  if (!credentials) return {};
  const own = idOf(name, credentials);
  const ways = new Map(instances.map((instance) => [wayTo(instance, own).name, instance]));
  return {
    transport_socket: mutual(own, undefined),
    transport_socket_matches: [...ways]
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([way, instance]) => ({
        name: way,
        match: { fields: { way: { stringValue: way } } },
        transport_socket: wayTo(instance, own).socket(),
      })),
  };
}

/** By which an instance says how it is reached. */
export function socketMetadata(
  { name }: Pick<Service, 'name'>,
  instance: Instance,
  credentials: Credentials | undefined,
): NonNullable<Metadata['filter_metadata']> {
  if (!credentials) return {};
  const way = wayTo(instance, idOf(name, credentials)).name;
  return { 'envoy.transport_socket_match': { fields: { way: { stringValue: way } } } };
}

/** All that decides on a service's sockets, besides what the service itself says. */
export const idOf = (service: string, { spiffeIdOf }: Credentials): string =>
  // Known as soon as there are credentials; no certificate bears the empty name.
  spiffeIdOf(service) ?? '';

const resumingNothing = {
  disable_stateless_session_resumption: true,
  disable_stateful_session_resumption: true,
} as const;

/** Only those with a certificate of a workload get as far as a request. */
export const inboundSocket = (): TransportSocket => ({
  name: socketName,
  typed_config: any(`${tls}.DownstreamTlsContext`, {
    common_tls_context: {
      tls_params: onlyTls13,
      tls_certificate_sds_secret_configs: [bySds(secretNames.own)],
      validation_context_sds_secret_config: bySds(secretNames.roots),
      alpn_protocols: ['h2', 'http/1.1'],
    },
    require_client_certificate: { value: true },
    ...resumingNothing,
  }),
});

/** For agents. */
export const gatewaySocket = (demandsClients: boolean): TransportSocket => ({
  name: socketName,
  typed_config: any(`${tls}.DownstreamTlsContext`, {
    common_tls_context: {
      tls_params: onlyTls13,
      tls_certificate_sds_secret_configs: [bySds(gatewaySecret)],
      alpn_protocols: ['h2', 'http/1.1'],
      ...(demandsClients && {
        validation_context_sds_secret_config: bySds(gatewayClientsSecret),
      }),
    },
    require_client_certificate: { value: demandsClients },
    ...(demandsClients && resumingNothing),
  }),
});
