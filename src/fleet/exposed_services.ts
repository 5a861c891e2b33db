/**
 * Every service as agents see it on `/mcp`: without the tools whose names
 * another service has. An unchanged service's view is the same object again.
 */
import { exposedAlone, type ExposedService } from './exposed.js';
import type { Fleet, Service } from './fleet.js';
import { toolOwners } from './tool_names.js';

/** Views without the tools that others own. */
const trimmed = new WeakMap<ExposedService, ExposedService>();

export function exposedServices(fleet: Fleet): readonly ExposedService[] {
  const owners = toolOwners(fleet);
  if (owners.size === 0) return fleet.services.map(exposedAlone);
  return fleet.services.map((service) => ownTools(service, owners));
}

function ownTools(service: Service, owners: ReadonlyMap<string, string>): ExposedService {
  const view = exposedAlone(service);
  const tools = view.tools.filter(
    ({ name }) => (owners.get(name) ?? service.name) === service.name,
  );
  if (tools.length === view.tools.length) return view;
  const known = trimmed.get(view);
  if (known?.tools.length === tools.length && known.tools.every((tool, at) => tool === tools[at]))
    return known;
  const fewer = { ...view, tools };
  trimmed.set(view, fewer);
  return fewer;
}
