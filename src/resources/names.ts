/**
 * Fleet → Envoy words. Every message Envoy is told is made in this room, one
 * file per resource type, and every name in them is minted here.
 *
 * A service is named by its cluster, its cluster by the service: names of
 * services are DNS labels, so ours (with an underscore) never collide.
 */

export const gatewayListener = 'gateway';
export const bridgeListener = 'bridge';

/** Where the gateway sends copies of calls: a second pass through the same Envoy, which logs it. */
export const mirrorListener = 'mirror';
export const mirrorCluster = 'mcpx_mirror';

/** The filter service's ext_proc face. */
export const filterCluster = 'mcpx_filter';

/** The filter service's HTTP face. */
export const bridgeCluster = 'mcpx_bridge';

/** Metadata namespace of what travels with a cluster or an endpoint for our own use. */
export const metadataNamespace = 'mcpx';

export const clusterOfService = (service: string): string => service;

/** Only the instances of one version; called at `/mcp/{service}@{version}`. */
export const clusterOfVersion = (service: string, version: string): string =>
  `${clusterOfService(service)}@${version}`;

/** A sidecar's: where others call its server, and where its server calls others. */
export const inboundListener = 'inbound';
export const outboundListener = 'outbound';

/** The server beside a sidecar; stands in the bootstrap (`envoy/sidecar.yaml`). */
export const localCluster = 'mcpx_local';

/** Of an Envoy's own certificate, and of whom it trusts: the same in every audience. */
export const secretNames = {
  own: 'workload',
  roots: 'roots',
  /** Of servers that are no workloads. */
  serverRoots: 'server_roots',
} as const;

/** Of the gateway for agents. */
export const gatewaySecret = 'gateway';
export const gatewayClientsSecret = 'gateway_clients';
