/**
 * The control plane's stream of services, folded into what is known now. A
 * connection sends everything and then `synced`; what it did not send by then is
 * gone. Until then the last known stays. Pure.
 */
import { z } from 'zod';
import type { ExposedService } from '../fleet/exposed.js';

const definition = z.looseObject({ name: z.string() });

const serviceSchema = z
  .object({
    name: z.string(),
    eras: z.array(z.enum(['modern', 'legacy'])),
    capabilities: z.record(z.string(), z.unknown()).default({}),
    instructions: z.string().optional(),
    tools: z.array(z.object({ name: z.string(), tool: z.string(), definition })),
    prompts: z.array(z.object({ name: z.string(), prompt: z.string(), definition })).default([]),
    resources: z.array(z.looseObject({ uri: z.string() })).default([]),
    resourceTemplates: z.array(z.looseObject({ uriTemplate: z.string() })).default([]),
    available: z.boolean().default(true),
    missing: z.string().optional(),
  })
  // JSON leaves out what is undefined; the type says it is there.
  .transform((service): ExposedService => ({
    ...service,
    instructions: service.instructions,
    missing: service.missing,
  }));

const lineSchema = z.union([
  z.object({ service: serviceSchema }),
  z.object({ removed: z.string() }),
  z.object({ synced: z.literal(true) }),
  // Says only that the connection lives.
  z.strictObject({}).transform(() => ({ alive: true as const })),
]);

export interface CatalogueState {
  /**
   * The control plane has said anything at all: with a registry away it never says
   * `synced`, and what it does know is still to be served.
   */
  readonly heard: boolean;
  readonly services: ReadonlyMap<string, ExposedService>;
}

export const emptyCatalogue: CatalogueState = { heard: false, services: new Map() };

export interface Folding {
  readonly state: CatalogueState;
  /** Names sent since the connection began; undefined once it is synced. */
  readonly sent: ReadonlySet<string> | undefined;
}

/** A connection begins on top of what was known. */
export const connected = (state: CatalogueState): Folding => ({ state, sent: new Set() });

export interface Folded {
  readonly folding: Folding;
  /** Lines that say nothing we know. */
  readonly unreadable: readonly string[];
}

/** Takes the lines that arrived together, so that thousands cost one new map. */
export function fold({ state, sent }: Folding, lines: readonly string[]): Folded {
  const read = lines.map((text) => ({ text, line: readLine(text) }));
  const unreadable = read.filter(({ line }) => line === undefined).map(({ text }) => text);
  const said = read.flatMap(({ line }) => (line === undefined || 'alive' in line ? [] : [line]));
  if (said.length === 0) return { folding: { state: { ...state, heard: true }, sent }, unreadable };
  const services = new Map(state.services);
  let pending = sent && new Set(sent);
  for (const line of said) {
    if ('service' in line) {
      services.set(line.service.name, line.service);
      pending?.add(line.service.name);
    } else if ('removed' in line) {
      services.delete(line.removed);
    } else {
      forgetAllBut(pending, services);
      pending = undefined;
    }
  }
  return { folding: { state: { heard: true, services }, sent: pending }, unreadable };
}

function forgetAllBut(sent: ReadonlySet<string> | undefined, services: Map<string, unknown>): void {
  if (sent === undefined) return;
  for (const name of services.keys()) if (!sent.has(name)) services.delete(name);
}

type Line = z.infer<typeof lineSchema>;

function readLine(line: string): Line | undefined {
  try {
    return lineSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
