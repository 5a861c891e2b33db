/** Registrations, reports and catalogues as registries and the probe would give them. */
import { defaultPolicy, inClear } from '../../../src/fleet/defaults.js';
import { emptyFleet } from '../../../src/fleet/fleet.js';
import type {
  Catalogue,
  PolicyOverride,
  ProbeReport,
  Registration,
  Service,
  SourceName,
} from '../../../src/fleet/fleet.js';
import type { Rollout, RolloutDocument } from '../../../src/fleet/rollout.js';
import { merge } from '../../../src/fleet/merge.js';
import { parseDependency } from '../../../src/registry/dependency.js';
import type { Report } from '../../../src/registry/registry.js';

/** An instance of `claims` at 10.0.0.7:3000 that Envoy checks itself, unless told otherwise. */
export function registration(fields: Partial<Registration> = {}): Registration {
  const { host = '10.0.0.7', port = 3000 } = fields;
  return {
    ...defaultPolicy,
    id: `${host}:${port}`,
    source: 'file',
    name: 'claims',
    version: '1.0.0',
    host,
    port,
    path: '/mcp',
    tags: [],
    metadata: {},
    zone: '',
    weight: 100,
    priority: 0,
    checkedBy: 'envoy',
    passing: true,
    tls: inClear,
    dependsOn: [],
    ...fields,
  };
}

/** An instance of `policy@2.0.0` that depends on these, each written as `customer@^1`. */
export function needing(versioned: string, ...dependsOn: readonly string[]): Registration {
  const [name = '', version = ''] = versioned.split('@');
  return registration({
    ...{ name, version },
    // Another address for each, so that none takes the place of another.
    id: `${versioned} ${dependsOn.join()}`,
    host: `${versioned}-${dependsOn.join()}`,
    dependsOn: dependsOn.flatMap((written) => parseDependency(written) ?? []),
  });
}

export function report(
  source: SourceName,
  registrations: readonly Registration[],
  policies: Readonly<Record<string, PolicyOverride>> = {},
): Report {
  return {
    ...{ source, registrations, policies: new Map(Object.entries(policies)) },
    ...{ rollouts: new Map(), problems: [] },
  };
}

/** A canary of the service from 1.0.0 to 2.0.0 that is at 5 %, unless told otherwise. */
export function rolloutOf(service: string, changes: Partial<Rollout> = {}): RolloutDocument {
  const current: Rollout = {
    ...{ id: `${service}-1`, service, kind: 'canary', from: '1.0.0', to: '2.0.0' },
    ...{ phase: 'running', steps: [5, 100], step: 0, stepSince: 1, everyMs: 1_000 },
    ...{ limits: undefined, match: [], mirror: 0, events: [] },
    ...changes,
  };
  return { current, earlier: [] };
}

/** What a modern server offers that has these tools. */
export function catalogueOf(...tools: readonly string[]): Catalogue {
  return {
    eras: ['modern'],
    serverInfo: {},
    capabilities: { tools: {} },
    instructions: undefined,
    tools: tools.map((name) => ({ name })),
    prompts: [],
    resources: [],
    resourceTemplates: [],
  };
}

/** The same of a server whose tools say that they change nothing. */
export const readingOf = (...tools: readonly string[]): Catalogue => ({
  ...catalogueOf(),
  tools: tools.map((name) => ({ name, annotations: { readOnlyHint: true } })),
});

/** Services that answered the probe with these tools. */
export function offering(services: Readonly<Record<string, readonly string[]>>): ProbeReport {
  const results = Object.entries(services).map(
    ([name, tools]) => [name, { catalogue: catalogueOf(...tools), failure: undefined }] as const,
  );
  return new Map(results);
}

/** The one service that these registrations make. */
export function serviceOf(...registrations: readonly Registration[]): Service {
  const { fleet } = merge([report('file', registrations)], new Map(), emptyFleet);
  const [service] = fleet.services;
  if (service === undefined || fleet.services.length > 1) throw new Error('not one service');
  return service;
}
