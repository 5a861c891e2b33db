/**
 * What agents see of a service on `/mcp`: the names of its tools and which of
 * them are shown. The one place that knows the rule `service__tool`, so lists,
 * calls and the admin API never disagree.
 */
import type { Era, Fleet, Service, ToolDefinition } from './fleet.js';

/** Between a service's name and its tool's: service names hold no underscore, so it splits once. */
const separator = '__';

/** The longest tool name every known client accepts. */
export const toolNameMax = 64;

export interface ExposedTool {
  /** What agents call. */
  readonly name: string;
  /** What the server calls it. */
  readonly tool: string;
  readonly definition: ToolDefinition;
}

/** A service as the filter service needs it: what it speaks and what it offers. */
export interface ExposedService {
  readonly name: string;
  /** Eras it may be spoken to in; empty while unknown. */
  readonly eras: readonly Era[];
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly instructions: string | undefined;
  readonly tools: readonly ExposedTool[];
  /** Why lists are (or may be) incomplete for it; undefined while all is well. */
  readonly missing: string | undefined;
}

/** `claims` and `file` → `claims__file`. */
export function exposedToolName(service: string, tool: string, prefix: boolean): string {
  return prefix ? `${service}${separator}${tool}` : tool;
}

/** Whether `tool` is shown under `patterns`: the last pattern that matches decides. */
export function isExposed(tool: string, patterns: readonly string[]): boolean {
  let shown = patterns.length > 0 && patterns.every((pattern) => pattern.startsWith('!'));
  for (const pattern of patterns) {
    const hides = pattern.startsWith('!');
    if (globMatches(hides ? pattern.slice(1) : pattern, tool)) shown = !hides;
  }
  return shown;
}

function globMatches(pattern: string, text: string): boolean {
  const escaped = pattern.split('*').map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'));
  return new RegExp(`^${escaped.join('.*')}$`).test(text);
}

export function exposedService(service: Service): ExposedService {
  const { probe, expose } = service;
  const catalogue = probe?.catalogue;
  const spoken = catalogue?.eras ?? [];
  const tools = (catalogue?.tools ?? [])
    .filter(({ name }) => isExposed(name, expose.tools))
    .map((definition) => ({
      name: exposedToolName(service.name, definition.name, expose.prefix),
      tool: definition.name,
      definition,
    }))
    .filter(({ name }) => name.length <= toolNameMax);
  return {
    name: service.name,
    eras: service.era === 'auto' ? spoken : spoken.filter((era) => era === service.era),
    capabilities: catalogue?.capabilities ?? {},
    instructions: catalogue?.instructions,
    tools,
    missing: missingReason(service),
  };
}

function missingReason({ probe, instances }: Service): string | undefined {
  if (!instances.some(({ passing }) => passing)) return 'no instance passes its checks';
  if (probe === undefined) return 'it has not been asked yet';
  return probe.failure?.message;
}

const remembered = new WeakMap<Service, ExposedService>();

/**
 * Every service as agents see it; the view of an unchanged service is the same
 * object again. A name that two services expose stays with the first of them.
 */
export function exposedServices(fleet: Fleet): readonly ExposedService[] {
  const taken = new Set<string>();
  return fleet.services.map((service) => {
    const view = remembered.get(service) ?? exposedService(service);
    remembered.set(service, view);
    const tools = view.tools.filter(({ name }) => !taken.has(name));
    for (const { name } of tools) taken.add(name);
    return tools.length === view.tools.length ? view : { ...view, tools };
  });
}
