/** What the aggregate promises: all that its services have, as far as it is routed. Pure. */
import type { ExposedService } from '../fleet/exposed.js';
import { isObject, type JsonObject } from '../mcp_wire.js';

/** That a list changed is known from the catalogue, whether or not its servers say so. */
export function capabilitiesOf(services: readonly ExposedService[]): JsonObject {
  const has = (capability: string) => services.some((service) => promises(service, capability));
  const subscribe = services.some(canSubscribe);
  return {
    tools: { listChanged: true },
    ...(has('prompts') && { prompts: { listChanged: true } }),
    ...(has('resources') && { resources: { listChanged: true, ...(subscribe && { subscribe }) } }),
    ...(has('completions') && { completions: {} }),
    ...(has('logging') && { logging: {} }),
  };
}

export function promises({ capabilities }: ExposedService, capability: string): boolean {
  return isObject(capabilities[capability]);
}

export function canSubscribe({ capabilities }: ExposedService): boolean {
  const { resources } = capabilities;
  return isObject(resources) && resources['subscribe'] === true;
}
