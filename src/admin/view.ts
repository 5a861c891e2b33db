/** Fleet words → what the API shows of them. */
import { rcompare } from 'semver';
import type { z } from 'zod';
import type { ExposedService, ExposedTool } from '../fleet/exposed.js';
import { exposedServices } from '../fleet/exposed_services.js';
import type { Fleet, Instance, Service } from '../fleet/fleet.js';
import type { Problem } from '../errors.js';
import { listed } from './problem.js';
import type { serviceDetail, serviceList, toolList } from './schemas.js';

type ServiceSummary = z.infer<typeof serviceList>['services'][number];
type ServiceDetail = z.infer<typeof serviceDetail>;
type ToolList = z.infer<typeof toolList>;

export function summaries(fleet: Fleet): ServiceSummary[] {
  const exposed = exposedServices(fleet);
  return fleet.services.map((service, index) => summaryOf(service, exposed[index]));
}

function summaryOf(service: Service, exposed: ExposedService | undefined): ServiceSummary {
  const { name, instances, probe } = service;
  const state = stateOf(service);
  const reason = exposed?.missing;
  return {
    name,
    state,
    ...(reason === undefined ? {} : { reason }),
    versions: [...new Set(instances.map(({ version }) => version))].sort(rcompare),
    eras: [...(probe?.catalogue?.eras ?? [])],
    instances: {
      passing: instances.filter(({ passing }) => passing).length,
      total: instances.length,
    },
    tools: exposed?.tools.length ?? 0,
    sources: [...new Set(instances.map(({ source }) => source))].sort(),
  };
}

function stateOf({ instances, probe }: Service): ServiceSummary['state'] {
  if (!instances.some(({ passing }) => passing)) return 'down';
  if (probe === undefined) return 'unasked';
  return probe.failure === undefined ? 'ready' : 'failing';
}

export function detailOf(
  service: Service,
  exposed: ExposedService,
  problems: readonly Problem[],
  askedAt: number | undefined,
): ServiceDetail {
  const { name, path, era, health, traffic, expose } = service;
  const about = problems.filter(({ subject }) => subject.service === name);
  return {
    summary: summaryOf(service, exposed),
    path,
    instances: service.instances.map((instance) => instanceOf(instance, path)),
    policy: { era, health: { ...health }, traffic: { ...traffic }, expose: { ...expose } },
    probe: probeOf(service, askedAt),
    tools: exposed.tools.map(toolOf),
    problems: about.map(listed) as ServiceDetail['problems'],
  };
}

function instanceOf(
  { host, port, tags, metadata, tls, ...rest }: Instance,
  path: string,
): ServiceDetail['instances'][number] {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const url = `${tls.mode === 'tls' ? 'https' : 'http'}://${address}${path}`;
  return { ...rest, url, tls: tls.mode, tags: [...tags], metadata };
}

function probeOf({ probe }: Service, askedAt: number | undefined): ServiceDetail['probe'] {
  const { catalogue, failure } = probe ?? {};
  return {
    asked: probe !== undefined,
    ...(askedAt !== undefined && { askedAt: new Date(askedAt).toISOString() }),
    ...(failure && { failure }),
    ...(catalogue && {
      serverInfo: catalogue.serverInfo,
      capabilities: catalogue.capabilities,
      ...(catalogue.instructions !== undefined && { instructions: catalogue.instructions }),
    }),
  };
}

export function toolsOf(fleet: Fleet): ToolList {
  const exposed = exposedServices(fleet);
  return {
    tools: exposed.flatMap(({ name, eras, tools }) =>
      tools.map((tool) => ({ ...toolOf(tool), service: name, eras: [...eras] })),
    ),
    missing: exposed.flatMap(({ name, missing }) =>
      missing === undefined ? [] : [{ service: name, reason: missing }],
    ),
  };
}

/** A definition is the server's own words: text that is not text is left out. */
function toolOf({ name, tool, definition }: ExposedTool): ServiceDetail['tools'][number] {
  const { title, description } = definition;
  return {
    name,
    tool,
    ...(typeof title === 'string' && { title }),
    ...(typeof description === 'string' && { description }),
  };
}
