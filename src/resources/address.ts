/** Where something listens, in Envoy's words. */
import type { Address } from '../generated/envoy/config/core/v3/Address.js';
import type { ClusterLoadAssignment } from '../generated/envoy/config/endpoint/v3/ClusterLoadAssignment.js';

export const socketAddress = (host: string, port: number): Address => ({
  socket_address: { address: host, port_value: port },
});

/** A Unix socket only its owner may open. */
export const pipeAddress = (path: string): Address => ({ pipe: { path, mode: 0o600 } });

/** A load assignment of one address, for our own clusters. */
export const oneEndpoint = (cluster: string, address: Address): ClusterLoadAssignment => ({
  cluster_name: cluster,
  endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
});
