/**
 * A snapshot: a frozen, consistent set of Envoy resources for one audience.
 * Versions are hashes of the bytes, so every replica and every restart
 * arrives at the same ones.
 */
import { hash } from 'node:crypto';

/** The resource types MCPX delivers, in the order Envoy should hear of them. */
export const typeUrls = {
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoint: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  route: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
} as const;

export type ResourceKind = keyof typeof typeUrls;

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

/** A message as it comes from rendering: no version yet. */
export interface EncodedResource {
  readonly name: string;
  readonly bytes: Buffer;
}

export type EncodedResources = Readonly<Record<ResourceKind, readonly EncodedResource[]>>;

export const resourceKinds = Object.keys(typeUrls) as readonly ResourceKind[];

/**
 * Freezes messages into a snapshot. What `previous` holds with equal bytes is
 * taken from it, object and all, so that whoever comes after can tell by
 * identity what changed. Two messages of one kind and name are a mistake of
 * the caller and throw.
 */
export function buildSnapshot(encoded: EncodedResources, previous?: Snapshot): Snapshot {
  const setOf = (kind: ResourceKind) =>
    buildSet(kind, encoded[kind], previous?.resources[kind] ?? nothing);
  const resources = Object.freeze({
    cluster: setOf('cluster'),
    endpoint: setOf('endpoint'),
    listener: setOf('listener'),
    route: setOf('route'),
  });
  const same = resourceKinds.every((kind) => resources[kind] === previous?.resources[kind]);
  if (previous && same) return previous;
  return Object.freeze({ version: versionOfAll(resources), resources });
}

const nothing: ResourceSet = new Map();

function buildSet(
  kind: ResourceKind,
  encoded: readonly EncodedResource[],
  previous: ResourceSet,
): ResourceSet {
  const next = new Map<string, Resource>();
  for (const { name, bytes } of [...encoded].sort(byName)) {
    if (next.has(name)) throw new Error(`There are two messages of kind ${kind} named "${name}"`);
    const known = previous.get(name);
    // The same name stays the same text, so that maps of names compare it by identity.
    const same = known?.name ?? name;
    next.set(same, known && equalBytes(known.bytes, bytes) ? known : freeze(same, bytes));
  }
  const same =
    next.size === previous.size &&
    [...next].every(([name, resource]) => previous.get(name) === resource);
  return same ? previous : next;
}

/** Identity first: an unchanged service is rendered to the very same buffer. */
const equalBytes = (one: Buffer, other: Buffer) => one === other || one.equals(other);

const byName = (one: EncodedResource, other: EncodedResource) =>
  one.name < other.name ? -1 : one.name > other.name ? 1 : 0;

const freeze = (name: string, bytes: Buffer): Resource =>
  Object.freeze({ name, version: shortHash(bytes), bytes });

function versionOfAll(resources: Snapshot['resources']): string {
  const lines = resourceKinds.flatMap((kind) =>
    [...resources[kind].values()].map(({ name, version }) => `${kind} ${name} ${version}\n`),
  );
  return shortHash(lines.join(''));
}

/** 64 bits: versions only have to differ between the states of one resource. */
const shortHash = (content: Buffer | string) => hash('sha256', content, 'hex').slice(0, 16);
