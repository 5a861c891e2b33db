/**
 * What agents see of a service on `/mcp`: the names of its tools and which of
 * them are shown. The one place that knows the rule `service__tool`, so lists,
 * calls and the admin API never disagree.
 */
import type {
  Era,
  NamedDefinition,
  ResourceDefinition,
  Service,
  TemplateDefinition,
} from './fleet.js';
import { leadingCatalogue } from './leading.js';

/** Between a service's name and its tool's: service names hold no underscore, so it splits once. */
const separator = '__';

/** The longest tool name every known client accepts. */
export const toolNameMax = 64;

export interface ExposedTool {
  /** What agents call. */
  readonly name: string;
  /** What the server calls it. */
  readonly tool: string;
  readonly definition: NamedDefinition;
}

export interface ExposedPrompt {
  readonly name: string;
  /** What the server calls it. */
  readonly prompt: string;
  readonly definition: NamedDefinition;
}

/** A service as the filter service needs it: what it speaks and what it offers. */
export interface ExposedService {
  readonly name: string;
  /** Eras it may be spoken to in; empty while unknown. */
  readonly eras: readonly Era[];
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly instructions: string | undefined;
  readonly tools: readonly ExposedTool[];
  readonly prompts: readonly ExposedPrompt[];
  /** Under their own URIs: answers of tools name them so, and answers are not rewritten. */
  readonly resources: readonly ResourceDefinition[];
  readonly resourceTemplates: readonly TemplateDefinition[];
  /** Whether a call may be tried: some instance passes its checks. */
  readonly available: boolean;
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

/** Each part at its first place, so that no pattern and no name can make it slow. */
function globMatches(pattern: string, text: string): boolean {
  const [start = '', ...others] = pattern.split('*');
  const end = others.pop();
  if (end === undefined) return text === pattern;
  if (!text.startsWith(start)) return false;
  let from = start.length;
  for (const part of others) {
    const found = text.indexOf(part, from);
    if (found < 0) return false;
    from = found + part.length;
  }
  return text.length - end.length >= from && text.endsWith(end);
}

function exposedService(service: Service): ExposedService {
  const { expose } = service;
  const catalogue = leadingCatalogue(service);
  const spoken = catalogue?.eras ?? [];
  const tools = (catalogue?.tools ?? [])
    .filter(({ name }) => isExposed(name, expose.tools))
    .map((definition) => ({
      name: exposedToolName(service.name, definition.name, expose.prefix),
      tool: definition.name,
      definition,
    }))
    .filter(({ name }) => name.length <= toolNameMax)
    .filter(firstOfItsName());
  const prompts = (catalogue?.prompts ?? [])
    .map((definition) => ({
      name: exposedToolName(service.name, definition.name, expose.prefix),
      prompt: definition.name,
      definition,
    }))
    .filter(({ name }) => name.length <= toolNameMax);
  return {
    name: service.name,
    eras: service.era === 'auto' ? spoken : spoken.filter((era) => era === service.era),
    capabilities: catalogue?.capabilities ?? {},
    instructions: catalogue?.instructions,
    tools,
    prompts,
    resources: catalogue?.resources ?? [],
    resourceTemplates: catalogue?.resourceTemplates ?? [],
    available: service.instances.some(({ passing }) => passing),
    missing: missingReason(service),
  };
}

/** A server that lists a name twice is called by it once. */
function firstOfItsName(): (named: { readonly name: string }) => boolean {
  const seen = new Set<string>();
  return ({ name }) => !seen.has(name) && seen.add(name).has(name);
}

function missingReason({ probe, instances }: Service): string | undefined {
  if (!instances.some(({ passing }) => passing)) return 'no instance passes its checks';
  if (probe === undefined) return 'it has not been asked yet';
  return probe.failure?.message;
}

const remembered = new WeakMap<Service, ExposedService>();

/** The service as agents would see it if nobody else had its tools' names. */
export function exposedAlone(service: Service): ExposedService {
  const view = remembered.get(service) ?? exposedService(service);
  remembered.set(service, view);
  return view;
}
