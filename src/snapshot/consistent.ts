/**
 * A snapshot may only be published when every name in it leads somewhere:
 * Envoy would wait for a missing assignment, or answer 503 for a missing
 * cluster, and nobody could say why.
 */
import { problem, type Problem } from '../errors.js';
import { referencesOf } from './references.js';
import type { ResourceKind, Snapshot } from './snapshot.js';

/** Every reference that leads nowhere, and everything nothing leads to; none when all is well. */
export function inconsistencies({ resources }: Snapshot): readonly Problem[] {
  const problems: Problem[] = [];
  const used = { endpoint: new Set<string>(), route: new Set<string>() };
  const need = (from: Named, kind: ResourceKind, name: string) => {
    if (kind === 'endpoint' || kind === 'route') used[kind].add(name);
    if (!resources[kind].has(name)) problems.push(dangling(from, { kind, name }));
  };
  for (const kind of ['cluster', 'listener', 'route'] as const) {
    for (const [name, resource] of resources[kind]) {
      const { clusters, routes, assignment } = referencesOf(kind, resource);
      if (assignment !== undefined) need({ kind, name }, 'endpoint', assignment);
      for (const route of routes) need({ kind, name }, 'route', route);
      for (const cluster of clusters) need({ kind, name }, 'cluster', cluster);
    }
  }
  for (const kind of ['endpoint', 'route'] as const)
    for (const name of resources[kind].keys())
      if (!used[kind].has(name)) problems.push(unused({ kind, name }));
  return problems;
}

interface Named {
  readonly kind: ResourceKind;
  readonly name: string;
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
