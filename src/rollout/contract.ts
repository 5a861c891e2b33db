/**
 * What two versions of a server offer, side by side: what an agent that knew the
 * first would stumble over in the second. Pure.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Catalogue } from '../fleet/fleet.js';
import { narrows, type SchemaChange, type SchemaChangeKind } from './schema_change.js';
import { schemaChanges } from './schema_changes.js';

export type DifferenceKind =
  | SchemaChangeKind
  | 'removed'
  | 'renamed'
  | 'added'
  | 'output_removed'
  | 'output_added'
  | 'annotations_changed'
  | 'unknown';

/** What a version number must move by for it. */
export type Level = 'patch' | 'minor' | 'major';

export interface Difference {
  readonly kind: DifferenceKind;
  /** `tool look`, `resource file:///a`. */
  readonly subject: string;
  readonly level: Level;
  /** Agents that knew the earlier version may fail: the same as level `major`. */
  readonly breaking: boolean;
  /** A sentence's end after the subject. */
  readonly words: string;
}

/** Undefined: a version that was not heard yet, of which nothing can be promised. */
export function catalogueDifferences(
  before: Catalogue | undefined,
  after: Catalogue | undefined,
): readonly Difference[] {
  if (before === undefined || after === undefined) {
    const which = before === undefined ? 'old' : 'new';
    const words = 'is not known: it was not asked for its tools yet, or did not answer';
    return [difference('unknown', `the catalogue of the ${which} version`, 'major', words)];
  }
  if (before === after) return [];
  return nouns.flatMap((noun) => nounDifferences(noun, before, after));
}

function difference(
  kind: DifferenceKind,
  subject: string,
  level: Level,
  words: string,
): Difference {
  return { kind, subject, level, breaking: level === 'major', words };
}

type Definition = Readonly<Record<string, unknown>>;

interface Noun {
  readonly word: string;
  readonly list: 'tools' | 'prompts' | 'resources' | 'resourceTemplates';
  /** The field that callers name it by. */
  readonly key: string;
  /** Two of different names with the same of this may be one that was renamed. */
  readonly shape: (definition: Definition) => unknown;
  readonly compare: (before: Definition, after: Definition, subject: string) => Difference[];
}

const nouns: readonly Noun[] = [
  {
    word: 'tool',
    list: 'tools',
    key: 'name',
    shape: ({ inputSchema, outputSchema }) => ({ inputSchema, outputSchema }),
    compare: (before, after, subject) => [
      ...inputDifferences(before['inputSchema'], after['inputSchema'], subject),
      ...outputDifferences(before['outputSchema'], after['outputSchema'], subject),
      ...annotationDifferences(before['annotations'], after['annotations'], subject),
      ...fieldDifferences(before, after, subject),
    ],
  },
  {
    word: 'prompt',
    list: 'prompts',
    key: 'name',
    shape: ({ arguments: taken }) => ({ taken }),
    compare: (before, after, subject) => [
      ...inputDifferences(schemaOfPrompt(before), schemaOfPrompt(after), subject),
      ...fieldDifferences(before, after, subject),
    ],
  },
  {
    word: 'resource',
    list: 'resources',
    key: 'uri',
    shape: ({ name, mimeType }) => ({ name, mimeType }),
    compare: (before, after, subject) => fieldDifferences(before, after, subject),
  },
  {
    word: 'template',
    list: 'resourceTemplates',
    key: 'uriTemplate',
    shape: ({ name, mimeType }) => ({ name, mimeType }),
    compare: (before, after, subject) => fieldDifferences(before, after, subject),
  },
];

function nounDifferences(noun: Noun, before: Catalogue, after: Catalogue): Difference[] {
  const [had, has] = [byKey(noun, before), byKey(noun, after)];
  const subject = (name: string) => `${noun.word} ${name}`;
  const gone = [...had].filter(([name]) => !has.has(name));
  const fresh = [...has].filter(([name]) => !had.has(name));
  const renamed = renames(noun, gone, fresh);
  const taken = new Set(renamed.values());
  return [
    ...gone.map(([name]) => {
      const now = renamed.get(name);
      if (now === undefined) return difference('removed', subject(name), 'major', 'is gone');
      const words = `is gone; ${now}, which is new, takes and gives the same`;
      return difference('renamed', subject(name), 'major', words);
    }),
    ...fresh
      .filter(([name]) => !taken.has(name))
      .map(([name]) => difference('added', subject(name), 'minor', 'is new')),
    ...[...had].flatMap(([name, definition]) => {
      const now = has.get(name);
      return now ? noun.compare(definition, now, subject(name)) : [];
    }),
  ];
}

/** A server that lists a name twice means the first. */
function byKey({ list, key }: Noun, catalogue: Catalogue): ReadonlyMap<string, Definition> {
  const found = new Map<string, Definition>();
  for (const definition of catalogue[list] as readonly Definition[]) {
    const name = String(definition[key]);
    if (!found.has(name)) found.set(name, definition);
  }
  return found;
}

type Entry = readonly [name: string, definition: Definition];

/** Old name → new name, where only one that is gone and one that is new are alike. */
function renames(
  { shape }: Noun,
  gone: readonly Entry[],
  fresh: readonly Entry[],
): ReadonlyMap<string, string> {
  const alike = (one: Definition) => (entry: Entry) =>
    isDeepStrictEqual(shape(one), shape(entry[1]));
  return new Map(
    gone.flatMap(([name, definition]): (readonly [string, string])[] => {
      const [now, ...others] = fresh.filter(alike(definition));
      if (now === undefined || others.length > 0) return [];
      return gone.filter(alike(definition)).length === 1 ? [[name, now[0]]] : [];
    }),
  );
}

/** As the input schema of a tool would say it. */
function schemaOfPrompt({ arguments: taken }: Definition): object {
  const list = (Array.isArray(taken) ? (taken as unknown[]) : []).filter(isDefinition);
  const described = list.map(({ name, title, description }) => [name, { title, description }]);
  const required = list.filter((each) => each['required'] === true).map(({ name }) => name);
  return { properties: Object.fromEntries(described) as object, required };
}

const isDefinition = (value: unknown): value is Definition =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Of what does not narrow: more may be said than before, or nothing that a caller feels. */
const inputLevels: Partial<Record<SchemaChangeKind, Level>> = {
  property_added: 'minor',
  required_removed: 'minor',
  types_gained: 'minor',
  widened: 'minor',
};

function inputDifferences(before: unknown, after: unknown, subject: string): Difference[] {
  return schemaChanges(before ?? {}, after ?? {}).map((change) => {
    const level = narrows.has(change.kind) ? 'major' : (inputLevels[change.kind] ?? 'patch');
    return difference(change.kind, subject, level, sentence('parameter', 'its input', change));
  });
}

/** Readers fail where what they could rely on is gone, or comes as something else. */
const outputLevels: Partial<Record<SchemaChangeKind, Level>> = {
  required_property_removed: 'major',
  required_removed: 'major',
  retyped: 'major',
  types_gained: 'major',
  property_removed: 'minor',
  property_added: 'minor',
  required_added: 'minor',
  widened: 'minor',
};

function outputDifferences(before: unknown, after: unknown, subject: string): Difference[] {
  if (before === undefined && after === undefined) return [];
  if (after === undefined)
    return [difference('output_removed', subject, 'major', 'no longer says what it answers')];
  if (before === undefined)
    return [difference('output_added', subject, 'minor', 'says what it answers')];
  return schemaChanges(before, after).map((change) => {
    const level = outputLevels[change.kind] ?? 'patch';
    return difference(change.kind, subject, level, sentence('answer', 'its answer', change));
  });
}

const sentence = (part: string, whole: string, { path, words }: SchemaChange): string =>
  path === '' ? `${whole} ${words}` : `${part} ${path} ${words}`;

/** What MCP takes a hint for that is not given, and when a change of it is a broken promise. */
const hints = [
  { field: 'readOnlyHint', unsaid: false, promise: true },
  { field: 'destructiveHint', unsaid: true, promise: false },
  { field: 'idempotentHint', unsaid: false, promise: undefined },
  { field: 'openWorldHint', unsaid: true, promise: undefined },
] as const;

function annotationDifferences(before: unknown, after: unknown, subject: string): Difference[] {
  const [had, has] = [before, after].map((given) => (isDefinition(given) ? given : {}));
  if (had === undefined || has === undefined || isDeepStrictEqual(had, has)) return [];
  const known = new Set<string>(hints.map(({ field }) => field));
  const others = new Set([...Object.keys(had), ...Object.keys(has)].filter((f) => !known.has(f)));
  return [
    ...hints.flatMap(({ field, unsaid, promise }) => {
      const [was, is] = [had[field] ?? unsaid, has[field] ?? unsaid];
      // What only reads destroys nothing, whatever is said of that.
      if (was === is || (field === 'destructiveHint' && has['readOnlyHint'] === true)) return [];
      const level = was === promise ? 'major' : 'patch';
      const words = `was annotated ${field} ${jsonOf(was)}, and is ${jsonOf(is)} now`;
      return [difference('annotations_changed', subject, level, words)];
    }),
    ...[...others]
      .filter((field) => !isDeepStrictEqual(had[field], has[field]))
      .map((field) =>
        difference('annotations_changed', subject, 'patch', `has another annotation ${field}`),
      ),
  ];
}

const jsonOf = (value: unknown): string => JSON.stringify(value);

const described: readonly string[] = ['title', 'description'];
/** Judged above, or what the thing is called by. */
const judged: readonly string[] = [
  ...['inputSchema', 'outputSchema', 'annotations', 'arguments', 'uri', 'uriTemplate'],
];

function fieldDifferences(before: Definition, after: Definition, subject: string): Difference[] {
  const fields = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...fields]
    .filter((field) => !judged.includes(field) && !isDeepStrictEqual(before[field], after[field]))
    .map((field) =>
      described.includes(field)
        ? difference('described', subject, 'patch', `has another ${field}`)
        : difference('unjudged', subject, 'patch', `changed its ${field}, which cannot be judged`),
    );
}
