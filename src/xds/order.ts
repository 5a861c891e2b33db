/**
 * In which order a proxy hears of things, and what waits for what. The order
 * is the table at the end; everything before it are its conditions. A wait is
 * always for one named thing, so that an ordinary change of endpoints passes
 * while an unrelated cluster is on its way.
 */
import { referencesOf } from '../snapshot/references.js';
import type { Resource, ResourceKind, ResourceSet, Snapshot } from '../snapshot/snapshot.js';
import { isUnknown, type Subscription } from './subscription.js';

/** One stream as the conditions see it. */
export interface View {
  readonly subscriptions: ReadonlyMap<ResourceKind, Subscription>;
  readonly resources: Snapshot['resources'];
}

type Condition = (view: View) => (name: string) => boolean;

interface Step {
  readonly kind: ResourceKind;
  readonly reason: string;
  /** May what the snapshot holds under this name be sent now? */
  readonly mayAdd: Condition;
  /** May the client be told now that this name, which it holds, is gone? */
  readonly mayRemove: Condition;
  /** What has to be sent again after a new version of this resource. */
  readonly followers: (resource: Resource) => readonly Follower[];
}

interface Follower {
  readonly kind: ResourceKind;
  readonly name: string;
}

const always: Condition = () => () => true;
const noFollowers = () => [];

/**
 * Not before the cluster that brings this assignment was sent once. A change of it
 * may wait behind it: Envoy acknowledges clusters only when they are warm, and they
 * warm only with their endpoints, so waiting for the change would hold up both.
 */
const afterItsCluster: Condition = ({ subscriptions, resources }) => {
  const awaited = new Set(
    unsent(subscriptions.get('cluster'), resources.cluster)
      .map((name) => assignmentOf(resources.cluster.get(name)))
      .filter((name) => name),
  );
  return (name) => !awaited.has(name);
};

/** Not before the listener that names this route was sent once. */
const afterItsListener: Condition = ({ subscriptions, resources }) => {
  const listeners = unsent(subscriptions.get('listener'), resources.listener);
  const awaited = new Set(listeners.flatMap((name) => routesOf(resources.listener.get(name))));
  return (name) => !awaited.has(name);
};

/** What the client is still to hear of for the first time. */
function unsent(subscription: Subscription | undefined, present: ResourceSet): readonly string[] {
  const pending = subscription?.pending(present) ?? [];
  return pending.filter(
    (name) => !subscription?.held.has(name) && !subscription?.inFlight?.has(name),
  );
}

/**
 * Every cluster it names, with its endpoints and secrets, must be acknowledged. Only for
 * clients that take all clusters, as Envoy does: others ask for what a route
 * names after they have seen the route.
 */
const afterItsClusters =
  (kind: 'listener' | 'route'): Condition =>
  ({ subscriptions, resources }) => {
    const clusters = subscriptions.get('cluster');
    if (!clusters?.wildcard) return () => true;
    const holds = (kind: ResourceKind, named: string) => {
      const subscription = subscriptions.get(kind);
      return subscription?.held.has(named) === true && !isLeaving(named, subscription);
    };
    const isHeld = (cluster: string) => {
      if (!resources.cluster.has(cluster)) return true;
      const held = clusters.held.get(cluster);
      // One that is just being taken away is as good as gone, though it comes back.
      if (!held || isLeaving(cluster, clusters)) return false;
      const known = isUnknown(held) ? resources.cluster.get(cluster) : held;
      if (!known) return true;
      const { assignment, secrets } = referencesOf('cluster', known);
      return (
        (assignment === undefined || holds('endpoint', assignment)) &&
        secrets.every((secret) => holds('secret', secret))
      );
    };
    return (name) => {
      const resource = resources[kind].get(name);
      return !resource || referencesOf(kind, resource).clusters.every(isHeld);
    };
  };

/** Not while any of these that the client holds, or is being sent, names it. */
const whenUnreferenced =
  (from: readonly ResourceKind[], to: 'clusters' | 'secrets'): Condition =>
  ({ subscriptions, resources }) => {
    const named = new Set<string>();
    let anyUnknown = false;
    for (const kind of from) {
      const subscription = subscriptions.get(kind);
      anyUnknown ||= subscription?.mayHoldMore(resources[kind]) === true;
      const inFlight = subscription?.inFlight?.values() ?? [];
      for (const resource of [...(subscription?.held.values() ?? []), ...inFlight]) {
        if (!resource) continue;
        if (isUnknown(resource)) anyUnknown = true;
        else for (const name of referencesOf(kind, resource)[to]) named.add(name);
      }
    }
    return (name) => !anyUnknown && !named.has(name);
  };

/** Not before the client has confirmed that whatever named it is gone. */
const whenSettled =
  (kind: ResourceKind): Condition =>
  ({ subscriptions }) => {
    const settled = subscriptions.get(kind)?.settled ?? true;
    return () => settled;
  };

const both =
  (one: Condition, other: Condition): Condition =>
  (view) => {
    const first = one(view);
    const second = other(view);
    return (name) => first(name) && second(name);
  };

/** The client is being told that it is gone. */
const isLeaving = (name: string, { inFlight }: Subscription): boolean =>
  inFlight?.has(name) === true && inFlight.get(name) === undefined;

const assignmentOf = (cluster: Resource | undefined) =>
  cluster && !isUnknown(cluster) ? referencesOf('cluster', cluster).assignment : undefined;

const routesOf = (listener: Resource | undefined) =>
  listener ? referencesOf('listener', listener).routes : [];

const followersOf = (kind: ResourceKind) => (resource: Resource) => {
  const { assignment, routes, secrets } = referencesOf(kind, resource);
  const named = (of: ResourceKind) => (name: string) => ({ kind: of, name });
  return [
    ...(assignment === undefined ? [] : [assignment]).map(named('endpoint')),
    ...secrets.map(named('secret')),
    ...routes.map(named('route')),
  ];
};

export const clusterFollowers = followersOf('cluster');

export const pushOrder: readonly Step[] = [
  {
    kind: 'cluster',
    reason: 'first, because everything else leads to clusters; gone only when nothing does',
    mayAdd: always,
    mayRemove: whenUnreferenced(['listener', 'route'], 'clusters'),
    followers: clusterFollowers,
  },
  {
    kind: 'endpoint',
    reason: 'a cluster warms until its endpoints follow it, a changed one too',
    mayAdd: afterItsCluster,
    mayRemove: whenSettled('cluster'),
    followers: noFollowers,
  },
  {
    kind: 'listener',
    reason: 'after the clusters it leads to, or its first requests fail',
    mayAdd: afterItsClusters('listener'),
    mayRemove: always,
    followers: followersOf('listener'),
  },
  {
    kind: 'secret',
    reason: 'clusters and listeners warm until their secrets follow them; a rotated one just goes',
    mayAdd: always,
    mayRemove: whenUnreferenced(['cluster', 'listener'], 'secrets'),
    followers: noFollowers,
  },
  {
    kind: 'route',
    reason: 'a listener warms until its routes follow it; they lead to clusters as well',
    mayAdd: both(afterItsListener, afterItsClusters('route')),
    mayRemove: whenSettled('listener'),
    followers: noFollowers,
  },
];
