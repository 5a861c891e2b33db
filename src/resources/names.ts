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
