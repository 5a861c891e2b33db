/** Registrations, reports and catalogues as registries and the probe would give them. */
import { defaultPolicy } from '../../../src/fleet/defaults.js';
import { emptyFleet } from '../../../src/fleet/fleet.js';
import type {
  Catalogue,
  PolicyOverride,
  ProbeReport,
  Registration,
  Service,
  SourceName,
} from '../../../src/fleet/fleet.js';
import { merge } from '../../../src/fleet/merge.js';
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
    ...fields,
  };
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
