/**
 * A snapshot: a frozen, consistent set of Envoy resources for one audience.
 * Versions are hashes of the bytes, so every replica and every restart
 * arrives at the same ones.
 */

/** The resource types MCPX delivers, in the order Envoy should hear of them. */
export const typeUrls = {
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoint: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  route: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
} as const;

export type ResourceKind = keyof typeof typeUrls;
export type TypeUrl = (typeof typeUrls)[ResourceKind];

/** One Envoy message, encoded once. */
export interface Resource {
  readonly name: string;
  /** Hash of `bytes`. */
  readonly version: string;
  /** The encoded message (the `value` of the Any that carries it). */
  readonly bytes: Buffer;
}

/** Resources by name, sorted; the same object while nothing in it changed. */
export type ResourceSet = ReadonlyMap<string, Resource>;

export interface Snapshot {
  /** Hash over all versions: equal content, equal version. */
  readonly version: string;
  readonly resources: Readonly<Record<ResourceKind, ResourceSet>>;
}
