/**
 * A snapshot may only be published when every name in it leads somewhere:
 * Envoy would wait for a missing assignment, or answer 503 for a missing
 * cluster, and nobody could say why.
 */
import { problem, type Problem } from '../errors.js';
import { PersistentMap } from '../persistent_map.js';
import { referencesOf } from './references.js';
import {
  emptySnapshot,
  resourceKinds,
  type Resource,
  type ResourceKind,
  type Snapshot,
} from './snapshot.js';

/**
 * Every reference that leads nowhere, and everything nothing leads to; none when all is well.
 * `previous`, where all was well, saves looking at what did not change.
 */
export function inconsistencies(snapshot: Snapshot, previous = emptySnapshot): readonly Problem[] {
  if (snapshot === previous) return [];
  const { counts, touched } = usesAfter(previous, snapshot);
  uses.set(snapshot, counts);
  const wrong = [...touched].filter(([key, { kind, name }]) => {
    const [isThere, isNamed] = [snapshot.resources[kind].has(name), counts.has(key)];
    return isThere ? !isNamed && mustBeNamed.has(kind) : isNamed;
  });
  return wrong.flatMap(([, named]) => explain(named, snapshot));
}

/** What nobody names is of no use there; clusters may be chosen by a header. */
const mustBeNamed: ReadonlySet<ResourceKind> = new Set(['endpoint', 'route']);

interface Named {
  readonly kind: ResourceKind;
  readonly name: string;
}

/** `kind name` → how many resources name it. */
type Counts = PersistentMap<number>;

const uses = new WeakMap<Snapshot, Counts>();
const noUses: Counts = PersistentMap.of();
const keyOf = ({ kind, name }: Named): string => `${kind} ${name}`;

/** How often everything is named now, and what has to be looked at because it changed. */
function usesAfter(previous: Snapshot, next: Snapshot) {
  const known = uses.get(previous);
  const before = known ? previous : emptySnapshot;
  const counted = known ?? noUses;
  const changed = new Map<string, number>();
  const touched = new Map<string, Named>();
  const count = (named: Named, difference: number) => {
    const key = keyOf(named);
    touched.set(key, named);
    changed.set(key, (changed.get(key) ?? counted.get(key) ?? 0) + difference);
  };
  for (const kind of resourceKinds) {
    const [old, present] = [before.resources[kind], next.resources[kind]];
    for (const name of present.differences(old)) {
      touched.set(keyOf({ kind, name }), { kind, name });
      for (const named of namesIn(kind, old.get(name))) count(named, -1);
      for (const named of namesIn(kind, present.get(name))) count(named, 1);
    }
  }
  const counts = counted.with([...changed].map(([key, number]) => [key, number || undefined]));
  return { counts, touched };
}

function namesIn(kind: ResourceKind, resource: Resource | undefined): readonly Named[] {
  if (!resource) return [];
  const { clusters, routes, secrets, assignment } = referencesOf(kind, resource);
  return [
    ...clusters.map((name) => ({ kind: 'cluster', name }) as const),
    ...routes.map((name) => ({ kind: 'route', name }) as const),
    ...secrets.map((name) => ({ kind: 'secret', name }) as const),
    ...(assignment === undefined ? [] : [{ kind: 'endpoint', name: assignment } as const]),
  ];
}

/** A defect, so it may take its time to say which resource it is about. */
function explain(named: Named, { resources }: Snapshot): readonly Problem[] {
  if (resources[named.kind].has(named.name)) return [unused(named)];
  return resourceKinds.flatMap((kind) =>
    [...resources[kind]]
      .filter(([, each]) => namesIn(kind, each).some((other) => keyOf(other) === keyOf(named)))
      .map(([name]) => dangling({ kind, name }, named)),
  );
}

const dangling = (from: Named, to: Named) =>
  problem(
    'translation_failed',
    { path: `${from.kind}.${from.name}` },
    `The ${from.kind} "${from.name}" names the ${to.kind} "${to.name}", which is not there. ` +
      'Nothing was published; this is a defect of MCPX, please report it.',
  );

const unused = ({ kind, name }: Named) =>
  problem(
    'translation_failed',
    { path: `${kind}.${name}` },
    `Nothing names the ${kind} "${name}". ` +
      'Nothing was published; this is a defect of MCPX, please report it.',
  );
