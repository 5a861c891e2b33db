/**
 * What Envoy's configuration (`resources/`) and the filter service (`mcp/`)
 * must agree on, word for word.
 */

/** Names the cluster a request goes to. Removed from every request at the door, set only by us. */
export const clusterHeader = 'x-mcpx-cluster';

/** Names the cluster that gets a copy of a request: the mirror listener's, where it is set. */
export const mirrorHeader = 'x-mcpx-mirror';

/** Names the cluster that the mirror listener sends the copy to. */
export const mirrorTargetHeader = 'x-mcpx-mirror-to';

/** Every header beginning so is ours: a client's copy is removed at the door. */
export const reservedHeaders: readonly string[] = [clusterHeader, mirrorHeader, mirrorTargetHeader];

/** MCP until 2025-11-25: the session; sealed on `/mcp`, Envoy's envelope on `/mcp/{service}`. */
export const sessionHeader = 'mcp-session-id';

/** The path of the aggregate. */
export const aggregatePath = '/mcp';

/** The largest request body the gateway takes on `/mcp`, bytes. */
export const requestBodyMax = 4 * 1024 * 1024;
