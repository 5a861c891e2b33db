/**
 * A snapshot: a frozen, consistent set of Envoy resources for one audience.
 * Versions are hashes of the bytes, so every replica and every restart
 * arrives at the same ones.
 */
import { hash } from 'node:crypto';
import { PersistentMap } from '../persistent_map.js';

/** The resource types MCPX delivers, in the order Envoy should hear of them. */
export const typeUrls = {
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoint: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  secret: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
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

/** Resources by name; the same object while nothing in it changed. */
export type ResourceSet = PersistentMap<Resource>;

export interface Snapshot {
  /** Combined from all versions, in any order: equal content, equal version. */
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

/** What is to differ: name → the new bytes, or undefined where it goes. */
export type EncodedChanges = Readonly<
  Partial<Record<ResourceKind, Iterable<readonly [string, Buffer | undefined]>>>
>;

/** The same with whole resources. */
export type ResourceChanges = Readonly<
  Partial<Record<ResourceKind, Iterable<readonly [string, Resource | undefined]>>>
>;

const noResources: ResourceSet = PersistentMap.of();

export const emptySnapshot: Snapshot = Object.freeze({
  version: '0000000000000000',
  resources: byKind(() => noResources),
});

/**
 * Freezes messages into a snapshot. What `previous` holds with equal bytes is
 * taken from it, object and all, so that whoever comes after can tell by
 * identity what changed. Two messages of one kind and name are a mistake of
 * the caller and throw.
 */
export function buildSnapshot(encoded: EncodedResources, previous = emptySnapshot): Snapshot {
  const changes: Partial<Record<ResourceKind, Map<string, Buffer | undefined>>> = {};
  for (const kind of resourceKinds) {
    const next = new Map<string, Buffer | undefined>();
    for (const { name, bytes } of [...encoded[kind]].sort(byName)) {
      if (next.has(name)) throw new Error(`There are two messages of kind ${kind} named "${name}"`);
      next.set(name, bytes);
    }
    for (const name of previous.resources[kind].keys())
      if (!next.has(name)) next.set(name, undefined);
    changes[kind] = next;
  }
  return changedSnapshot(previous, changes);
}

/** The snapshot that differs from `previous` in these bytes; the same one if it differs in none. */
export function changedSnapshot(previous: Snapshot, changes: EncodedChanges): Snapshot {
  const resources: Partial<Record<ResourceKind, [string, Resource | undefined][]>> = {};
  for (const kind of resourceKinds) {
    const present = previous.resources[kind];
    resources[kind] = [...(changes[kind] ?? [])].map(([name, bytes]) => {
      const known = present.get(name);
      // The same name stays the same text, so that maps of names compare it by identity.
      return [known?.name ?? name, bytes && resourceOf(known?.name ?? name, bytes, known)];
    });
  }
  const next = snapshotWith(previous, resources);
  if (next !== previous) earlier.set(next, earlierAfter(previous, resources));
  return next;
}

/** How a resource was before it last changed, newest first, as long as it was always there. */
export const earlierForms = (snapshot: Snapshot, kind: ResourceKind, name: string): Forms =>
  earlier.get(snapshot)?.[kind].get(name) ?? [];

type Forms = readonly Resource[];

/** Two, so that a mend that failed is not all that is remembered. */
const mostEarlier = 2;

/** Beside the snapshot, because two are equal whatever was before them. */
const earlier = new WeakMap<Snapshot, Readonly<Record<ResourceKind, PersistentMap<Forms>>>>();
const noForms: PersistentMap<Forms> = PersistentMap.of();

function earlierAfter(previous: Snapshot, changes: ResourceChanges) {
  return byKind((kind) => {
    const before = earlier.get(previous)?.[kind] ?? noForms;
    const forms: [string, Forms | undefined][] = [];
    for (const [name, resource] of changes[kind] ?? []) {
      const known = previous.resources[kind].get(name);
      if (known === resource) continue;
      const all = [...(known ? [known] : []), ...(before.get(name) ?? [])];
      const others = all.filter(({ version }) => version !== resource?.version);
      forms.push([name, resource && known && others.slice(0, mostEarlier)]);
    }
    return before.with(forms);
  });
}

export function snapshotWith(previous: Snapshot, changes: ResourceChanges): Snapshot {
  let version = BigInt(`0x${previous.version}`);
  const resources = byKind((kind) => {
    const before = previous.resources[kind];
    const after = before.with(changes[kind] ?? []);
    for (const name of after.differences(before))
      version ^= share(kind, before.get(name)) ^ share(kind, after.get(name));
    return after;
  });
  if (resourceKinds.every((kind) => resources[kind] === previous.resources[kind])) return previous;
  return Object.freeze({ version: version.toString(16).padStart(16, '0'), resources });
}

function byKind<T>(make: (kind: ResourceKind) => T): Readonly<Record<ResourceKind, T>> {
  const made = resourceKinds.map((kind) => [kind, make(kind)] as const);
  return Object.freeze(Object.fromEntries(made) as Record<ResourceKind, T>);
}

function resourceOf(name: string, bytes: Buffer, known: Resource | undefined): Resource {
  // Identity first: an unchanged service is rendered to the very same buffer.
  if (known && (known.bytes === bytes || known.bytes.equals(bytes))) return known;
  const elsewhere = made.get(bytes);
  if (elsewhere?.name === name) return elsewhere;
  const resource = Object.freeze({ name, version: shortHash(bytes), bytes });
  made.set(bytes, resource);
  return resource;
}

/** What several audiences get is made once, and read once. */
const made = new WeakMap<Buffer, Resource>();

const byName = (one: EncodedResource, other: EncodedResource) =>
  one.name < other.name ? -1 : one.name > other.name ? 1 : 0;

/** What one resource adds to the version of its snapshot, whatever else is in it. */
const share = (kind: ResourceKind, resource: Resource | undefined): bigint =>
  resource ? BigInt(`0x${shortHash(`${kind} ${resource.name} ${resource.version}`)}`) : 0n;

/** 64 bits: versions only have to differ between the states of one resource. */
const shortHash = (content: Buffer | string) => hash('sha256', content, 'hex').slice(0, 16);
