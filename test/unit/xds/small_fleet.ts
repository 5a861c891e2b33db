/** Fleets so small that random ones meet every case, for the property tests of delivery. */
import fc from 'fast-check';
import { resourceKinds, type Resource, type Snapshot } from '../../../src/snapshot/snapshot.js';
import {
  assignment,
  edsCluster,
  listener,
  routes,
  secret,
  snapshotOf,
} from '../snapshot/messages.js';

export const serviceNames = ['a', 'b', 'c', 'd'] as const;
export const listenerNames = ['gateway', 'bridge'] as const;
export const secretOf = (service: string): string => `of-${service}`;
const mark = fc.nat({ max: 2 });

/** Which services there are, how they look, and which are routed to. */
export const fleets = fc.record({
  services: fc.uniqueArray(
    fc.record({
      name: fc.constantFrom(...serviceNames),
      ...{ cluster: mark, endpoint: mark, secret: fc.option(mark) },
    }),
    { selector: ({ name }) => name },
  ),
  routed: fc.subarray([...serviceNames]),
  marks: fc.record({ listener: mark, route: mark }),
  listeners: fc.subarray([...listenerNames]),
});
export type SmallFleet = typeof fleets extends fc.Arbitrary<infer T> ? T : never;

export const render = ({ services, routed, marks, listeners }: SmallFleet): Snapshot => {
  const clusters = routed.filter((name) => services.some((service) => service.name === name));
  const processor = services.some(({ name }) => name === 'a') ? 'a' : '';
  return snapshotOf({
    cluster: services.map(({ name, cluster, secret: own }) =>
      edsCluster(name, cluster, own === null ? undefined : secretOf(name)),
    ),
    secret: services.flatMap(({ name, secret: own }) =>
      own === null ? [] : [secret(secretOf(name), `key ${own}`)],
    ),
    endpoint: services.map(({ name, endpoint }) => assignment(name, endpoint + 1)),
    // One of the two waits for a cluster, the other for nothing.
    listener: listeners.map((name) =>
      listener(name, name, { mark: marks.listener, processor: name === 'bridge' ? processor : '' }),
    ),
    route: listeners.map((name) => routes(name, clusters, marks.route)),
  });
};

/**
 * With everything there is, in bytes that were never sent before: a refused
 * removal has none, so nothing stays removed.
 */
export const mended = (fleet: SmallFleet): Snapshot =>
  render({
    ...fleet,
    services: serviceNames.map((name) => ({ name, cluster: 5, endpoint: 5, secret: 5 })),
    marks: { listener: 5, route: 5 },
    listeners: [...listenerNames],
  });

type Sets = Readonly<Record<(typeof resourceKinds)[number], Pick<Map<string, Resource>, 'values'>>>;

/** Everything there is, by its version. */
export const contentsOf = (sets: Sets): readonly (readonly string[])[] =>
  resourceKinds.map((of) =>
    [...sets[of].values()].map(({ name, version }) => `${of} ${name} ${version}`).sort(),
  );
