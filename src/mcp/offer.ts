/**
 * The catalogue as agents meet it: who owns each name and URI and, for each era,
 * the lists in a fixed order and what is missing from them. Built once per state
 * of the catalogue, at the first request that needs it.
 */
import { eras, type Era } from '../fleet/fleet.js';
import type { ExposedService } from '../fleet/exposed.js';
import type { JsonObject } from '../mcp_wire.js';
import { capabilitiesOf } from './capabilities.js';
import { parseUriTemplate, type UriTemplate } from './uri_template.js';

/** As their keys in a list's result. */
const listKinds = ['tools', 'prompts', 'resources', 'resourceTemplates'] as const;
export type ListKind = (typeof listKinds)[number];

/** One entry of a list. */
export interface Offered {
  /** What agents call it: a name, a URI, or a URI template. */
  readonly name: string;
  /** What the server calls it; URIs and templates are the same there. */
  readonly own: string;
  readonly service: ExposedService;
  /** Its definition under the exposed name, as JSON. */
  readonly text: string;
}

export interface Missing {
  readonly service: string;
  readonly reason: string;
}

interface OfferedTemplate extends UriTemplate {
  readonly offered: Offered;
}

export interface Offer {
  /** By name, whatever the era. */
  readonly owners: Readonly<Record<ListKind, ReadonlyMap<string, Offered>>>;
  /** In the order in which they are tried. */
  readonly templates: readonly OfferedTemplate[];
  /** Sorted by name. */
  readonly lists: Readonly<Record<Era, Readonly<Record<ListKind, readonly Offered[]>>>>;
  /** Sorted by service. */
  readonly missing: Readonly<Record<Era, readonly Missing[]>>;
  readonly capabilities: Readonly<Record<Era, JsonObject>>;
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
  const owners = perKind((kind) => ownersOf(services.flatMap((each) => offeredBy(each)[kind])));
  const sorted = perKind((kind) =>
    [...owners[kind].values()].sort((a, b) => byText(a.name, b.name)),
  );
  return {
    owners,
    templates: templatesOf([...owners.resourceTemplates.values()]),
    lists: perEra((era) =>
      perKind((kind) => sorted[kind].filter(({ service }) => service.eras.includes(era))),
    ),
    missing: perEra((era) => services.flatMap((service) => missingIn(service, era))),
    capabilities: perEra((era) =>
      capabilitiesOf(services.filter((service) => service.eras.includes(era))),
    ),
  };
}

const perEra = <T>(make: (era: Era) => T) =>
  Object.fromEntries(eras.map((era) => [era, make(era)])) as Record<Era, T>;

const perKind = <T>(make: (kind: ListKind) => T) =>
  Object.fromEntries(listKinds.map((kind) => [kind, make(kind)])) as Record<ListKind, T>;

/** A name that several offer is its own prefix's, else the first service's. */
function ownersOf(all: readonly Offered[]): ReadonlyMap<string, Offered> {
  const owners = new Map<string, Offered>();
  const prefixed = all.filter(({ name, own }) => name !== own);
  for (const each of [...prefixed, ...all]) if (!owners.has(each.name)) owners.set(each.name, each);
  return owners;
}

/** The one that says most precisely what it means comes first, then by service. */
function templatesOf(all: readonly Offered[]): OfferedTemplate[] {
  const parsed = all.flatMap((offered) => {
    const template = templateOf(offered);
    return template === undefined ? [] : [{ ...template, offered }];
  });
  return parsed.sort((a, b) => b.literals - a.literals);
}

const templates = new WeakMap<Offered, { readonly parsed: UriTemplate | undefined }>();

function templateOf(offered: Offered): UriTemplate | undefined {
  const known = templates.get(offered) ?? { parsed: parseUriTemplate(offered.name) };
  templates.set(offered, known);
  return known.parsed;
}

/** Who has the resource at `uri`: by its very URI, else by a template. */
export function resourceAt({ owners, templates }: Offer, uri: string): Offered | undefined {
  return owners.resources.get(uri) ?? templates.find((template) => template.matches(uri))?.offered;
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

type OfferedLists = Readonly<Record<ListKind, readonly Offered[]>>;

const offeredLists = new WeakMap<ExposedService, OfferedLists>();

/** The same objects for an unchanged service, so only what changed is written as JSON again. */
function offeredBy(service: ExposedService): OfferedLists {
  const known = offeredLists.get(service);
  if (known !== undefined) return known;
  const entry = (name: string, own: string, definition: JsonObject): Offered => ({
    name,
    own,
    service,
    text: JSON.stringify(name === own ? definition : { ...definition, name }),
  });
  const made = {
    tools: service.tools.map(({ name, tool, definition }) => entry(name, tool, definition)),
    prompts: service.prompts.map(({ name, prompt, definition }) => entry(name, prompt, definition)),
    resources: service.resources.map((each) => entry(each.uri, each.uri, each)),
    resourceTemplates: service.resourceTemplates.map((each) =>
      entry(each.uriTemplate, each.uriTemplate, each),
    ),
  };
  offeredLists.set(service, made);
  return made;
}
