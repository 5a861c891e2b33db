/**
 * Going through two JSON Schemas at once: references resolved, recursive ones
 * followed once, and an end to what a server may cost us with a schema of its own.
 */
import { isDeepStrictEqual } from 'node:util';

export type Schema = Readonly<Record<string, unknown>>;

export interface Walk {
  /** Where `$ref` of either side looks. */
  readonly roots: { readonly before: Root; readonly after: Root };
  readonly depth: number;
  /** Pairs that are being compared further up: a recursive schema ends there. */
  readonly above: readonly (readonly [before: Schema, after: Schema])[];
  /** References mean the same on both sides. */
  readonly sameDefinitions: boolean;
  /** Shared by the whole walk. */
  readonly budget: { left: number };
}

/** A whole schema, and what its references were found to mean: one object for each. */
interface Root {
  readonly schema: unknown;
  readonly known: Map<Schema, Schema>;
}

const depthMax = 64;
const comparisonsMax = 5_000;

export const firstStep = (before: unknown, after: unknown): Walk => ({
  roots: { before: rootOf(before), after: rootOf(after) },
  sameDefinitions: definitions.every((field) =>
    isDeepStrictEqual(fieldOf(before, field), fieldOf(after, field)),
  ),
  depth: 0,
  above: [],
  budget: { left: comparisonsMax },
});

const definitions: readonly string[] = ['$defs', 'definitions'];
const fieldOf = (schema: unknown, field: string): unknown =>
  isSchema(schema) ? schema[field] : undefined;

const rootOf = (schema: unknown): Root => ({ schema, known: new Map() });

/** Undefined: there is nothing to find. `exhausted`, told once: nobody goes on from here. */
export function nextStep(
  walk: Walk,
  before: Schema,
  after: Schema,
): Walk | 'exhausted' | undefined {
  if (walk.sameDefinitions && isDeepStrictEqual(before, after)) return undefined;
  if (walk.budget.left < 0) return undefined;
  if (walk.above.some(([one, other]) => one === before && other === after)) return undefined;
  if (walk.depth >= depthMax || --walk.budget.left < 0) return 'exhausted';
  return { ...walk, depth: walk.depth + 1, above: [...walk.above, [before, after]] };
}

export const isSchema = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What `true`, `false` and `$ref` stand for; a reference that leads nowhere stays as it is. */
export function resolved(schema: unknown, root: Root): Schema {
  if (schema === false) return takesNothing;
  if (!isSchema(schema)) return takesAnything;
  const known = root.known.get(schema);
  if (known) return known;
  const followed = follow(schema, root.schema);
  root.known.set(schema, followed);
  return followed;
}

const takesNothing: Schema = { type: [] };
const takesAnything: Schema = {};

const hopsMax = 16;

function follow(schema: Schema, root: unknown): Schema {
  let found = schema;
  for (let hop = 0; hop < hopsMax; hop++) {
    const { $ref, ...beside } = found;
    const target = typeof $ref === 'string' ? pointedAt($ref, root) : undefined;
    if (target === undefined) return found;
    if (Object.keys(beside).length === 0) found = target;
    else found = { ...target, ...beside };
  }
  return found;
}

/** A JSON pointer into the same document; others are not fetched. */
function pointedAt(reference: string, root: unknown): Schema | undefined {
  if (!reference.startsWith('#')) return undefined;
  let found: unknown = root;
  for (const part of reference.slice(1).split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (!isSchema(found) || !Object.hasOwn(found, key)) return undefined;
    found = found[key];
  }
  return isSchema(found) ? found : undefined;
}
