/**
 * The catalogue as agents meet it: one table of names and, for each era, one
 * list in a fixed order and what is missing from it. Built once per state of the
 * catalogue, at the first request that needs it.
 */
import { eras, type Era } from '../fleet/fleet.js';
import type { ExposedService, ExposedTool } from '../fleet/exposed.js';

export interface OfferedTool {
  /** What agents call. */
  readonly name: string;
  /** What the server calls it. */
  readonly tool: string;
  readonly service: ExposedService;
  /** Its definition under the exposed name, as JSON. */
  readonly text: string;
}

export interface Missing {
  readonly service: string;
  readonly reason: string;
}

export interface Offer {
  /** By exposed name, whatever the era. */
  readonly tools: ReadonlyMap<string, OfferedTool>;
  /** Sorted by exposed name. */
  readonly lists: Readonly<Record<Era, readonly OfferedTool[]>>;
  /** Sorted by service. */
  readonly missing: Readonly<Record<Era, readonly Missing[]>>;
}

const remembered = new WeakMap<ReadonlyMap<string, ExposedService>, Offer>();

export function offerOf(services: ReadonlyMap<string, ExposedService>): Offer {
  const known = remembered.get(services);
  if (known !== undefined) return known;
  const offer = buildOffer([...services.values()].sort((a, b) => byText(a.name, b.name)));
  remembered.set(services, offer);
  return offer;
}

/** By code unit: the same order on every machine. */
const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function buildOffer(services: readonly ExposedService[]): Offer {
  const tools = new Map<string, OfferedTool>();
  for (const service of services)
    for (const tool of service.tools)
      // Two services may claim one name when their prefixes are off: the first keeps it.
      if (!tools.has(tool.name)) tools.set(tool.name, offeredTool(service, tool));
  const sorted = [...tools.values()].sort((a, b) => byText(a.name, b.name));
  const perEra = <T>(make: (era: Era) => T) =>
    Object.fromEntries(eras.map((era) => [era, make(era)])) as Record<Era, T>;
  return {
    tools,
    lists: perEra((era) => sorted.filter(({ service }) => service.eras.includes(era))),
    missing: perEra((era) => services.flatMap((service) => missingIn(service, era))),
  };
}

function missingIn(service: ExposedService, era: Era): Missing[] {
  const { name, missing } = service;
  if (missing !== undefined) return [{ service: name, reason: missing }];
  if (service.eras.includes(era)) return [];
  return [{ service: name, reason: otherEraReason(service, era) }];
}

/** Why a service is not reached by a client of `era`. */
export function otherEraReason({ eras: spoken }: ExposedService, era: Era): string {
  if (spoken.length === 0) return 'it speaks no era that its registration allows';
  const what = era === 'modern' ? 'revisions before 2026-07-28' : 'revision 2026-07-28';
  return `it speaks only MCP ${what}`;
}

const offered = new WeakMap<ExposedTool, OfferedTool>();

/** The same object for an unchanged tool, so only what changed is written as JSON again. */
function offeredTool(service: ExposedService, exposed: ExposedTool): OfferedTool {
  const known = offered.get(exposed);
  if (known?.service === service) return known;
  const { name, tool, definition } = exposed;
  const made = { name, tool, service, text: JSON.stringify({ ...definition, name }) };
  offered.set(exposed, made);
  return made;
}
