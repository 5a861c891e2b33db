/**
 * Two JSON Schemas side by side: what the second takes and the first did not, and
 * the other way round. What cannot be judged by looking (a changed pattern, `not`,
 * keywords nobody knows) is told as just that.
 */
import { isDeepStrictEqual } from 'node:util';
import { narrows, type SchemaChange } from './schema_change.js';
import { limitChanges } from './schema_limits.js';
import { firstStep, isSchema, nextStep, resolved, type Schema, type Walk } from './schema_walk.js';

export function schemaChanges(before: unknown, after: unknown): readonly SchemaChange[] {
  return compare(before, after, '', firstStep(before, after));
}

function compare(before: unknown, after: unknown, path: string, walk: Walk): SchemaChange[] {
  const one = resolved(before, walk.roots.before);
  const other = resolved(after, walk.roots.after);
  const next = nextStep(walk, one, other);
  if (next === undefined) return [];
  if (next === 'exhausted') return [{ kind: 'unjudged', path, words: 'is too large to be judged' }];
  const judges = isUnion(one) || isUnion(other) ? [unions, described] : plainJudges;
  return judges.flatMap((judge) => judge(one, other, path, next));
}

type Judge = (before: Schema, after: Schema, path: string, walk: Walk) => readonly SchemaChange[];

const describing: readonly string[] = ['title', 'description', 'examples'];

const described: Judge = (before, after, path) =>
  describing.flatMap((field) =>
    isDeepStrictEqual(before[field], after[field])
      ? []
      : [{ kind: 'described', path, words: `has another ${field}` } as const],
  );

const types: Judge = (before, after, path) => {
  const [had, has] = [typesOf(before), typesOf(after)];
  const lost = had.filter((type) => !takes(has, type));
  const gained = has.filter((type) => !takes(had, type));
  const words = `takes ${typeText(has)}, and took ${typeText(had)}`;
  if (lost.length > 0 && gained.length > 0) return [{ kind: 'retyped', path, words }];
  if (lost.length > 0) return [{ kind: 'types_lost', path, words }];
  return gained.length > 0 ? [{ kind: 'types_gained', path, words }] : [];
};

const allTypes = ['string', 'number', 'boolean', 'object', 'array', 'null'];

function typesOf(schema: Schema): readonly string[] {
  const { type } = schema;
  if (typeof type === 'string') return [type];
  if (Array.isArray(type)) return type.map(String);
  const values = valuesOf(schema);
  return values ? [...new Set(values.map(typeOfValue))] : allTypes;
}

function typeOfValue(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

const takes = (types: readonly string[], type: string): boolean =>
  types.includes(type) || (type === 'integer' && types.includes('number'));

const typeText = (types: readonly string[]): string =>
  types.length === allTypes.length ? 'anything' : types.join(' or ') || 'nothing';

function valuesOf(schema: Schema): readonly unknown[] | undefined {
  if (Array.isArray(schema['enum'])) return schema['enum'] as readonly unknown[];
  return 'const' in schema ? [schema['const']] : undefined;
}

const values: Judge = (before, after, path) => {
  const [had, has] = [valuesOf(before), valuesOf(after)];
  if (!had && !has) return [];
  if (!had) return [{ kind: 'narrowed', path, words: `takes only ${listText(has ?? [])}` }];
  if (!has) return [{ kind: 'widened', path, words: 'takes any value' }];
  const among = (all: readonly unknown[], one: unknown) =>
    all.some((each) => isDeepStrictEqual(each, one));
  const lost = had.filter((value) => !among(has, value));
  const gained = has.filter((value) => !among(had, value));
  return [
    ...some(lost, { kind: 'narrowed', path, words: `no longer takes ${listText(lost)}` }),
    ...some(gained, { kind: 'widened', path, words: `takes ${listText(gained)} too` }),
  ];
};

const some = (items: readonly unknown[], change: SchemaChange): readonly SchemaChange[] =>
  items.length > 0 ? [change] : [];

const listText = (items: readonly unknown[]): string => {
  const shown = items.slice(0, 5).map((item) => JSON.stringify(item).slice(0, 40));
  return shown.join(', ') + (items.length > 5 ? `, … (${items.length})` : '');
};

const properties: Judge = (before, after, path, walk) => {
  const [had, has] = [propertiesOf(before), propertiesOf(after)];
  const [needed, needs] = [requiredOf(before), requiredOf(after)];
  const names = new Set([...Object.keys(had), ...Object.keys(has), ...needed, ...needs]);
  return [...names].flatMap((name): readonly SchemaChange[] => {
    const at = path === '' ? name : `${path}.${name}`;
    const [was, is] = [Object.hasOwn(had, name), Object.hasOwn(has, name)];
    const [wasNeeded, isNeeded] = [needed.includes(name), needs.includes(name)];
    if (was && !is && !isNeeded) return [removed(at, wasNeeded)];
    if (isNeeded && !wasNeeded) {
      const required: SchemaChange = { kind: 'required_added', path: at, words: 'is required now' };
      return was && is ? [required, ...compare(had[name], has[name], at, walk)] : [required];
    }
    if (!was && is) return [{ kind: 'property_added', path: at, words: 'is new and optional' }];
    const freed: readonly SchemaChange[] =
      wasNeeded && !isNeeded
        ? [{ kind: 'required_removed', path: at, words: 'is no longer required' }]
        : [];
    return was && is ? [...freed, ...compare(had[name], has[name], at, walk)] : freed;
  });
};

const removed = (path: string, wasNeeded: boolean): SchemaChange => ({
  kind: wasNeeded ? 'required_property_removed' : 'property_removed',
  path,
  words: 'is gone',
});

function propertiesOf({ properties: given }: Schema): Schema {
  return isSchema(given) ? given : {};
}

function requiredOf({ required }: Schema): readonly string[] {
  return Array.isArray(required) ? required.map(String) : [];
}

/** Properties that are not named, and the items of a list: a schema, or anything. */
function inner(keyword: 'additionalProperties' | 'items', suffix: string, what: string): Judge {
  return (before, after, path, walk) => {
    const [had, has] = [before[keyword] ?? true, after[keyword] ?? true];
    if (isDeepStrictEqual(had, has) && !isSchema(had)) return [];
    if (Array.isArray(had) || Array.isArray(has))
      return isDeepStrictEqual(had, has)
        ? []
        : [{ kind: 'unjudged', path, words: `changed its ${keyword}, which cannot be judged` }];
    if (isSchema(had) && isSchema(has)) return compare(had, has, `${path}${suffix}`, walk);
    if (isOpen(had) && isOpen(has)) return [];
    const closes = has === false || isOpen(had);
    const words = closes ? `takes fewer ${what} than before` : `takes more ${what} than before`;
    return [{ kind: closes ? 'narrowed' : 'widened', path, words }];
  };
}

const isOpen = (schema: unknown): boolean =>
  schema === true || (isSchema(schema) && Object.keys(schema).length === 0);

/** Judged above or without weight: definitions are read where something refers to them. */
const knownKeywords = new Set<string>([
  ...['type', 'enum', 'const', 'properties', 'required', 'additionalProperties', 'items'],
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf', 'pattern'],
  ...['minLength', 'maxLength', 'minItems', 'maxItems', 'minProperties', 'maxProperties'],
  ...['uniqueItems', 'anyOf', 'oneOf'],
  ...describing,
  ...['$schema', '$id', '$comment', '$defs', 'definitions'],
]);

const unknown: Judge = (before, after, path) => {
  const keywords = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keywords]
    .filter((keyword) => !knownKeywords.has(keyword))
    .filter((keyword) => !isDeepStrictEqual(before[keyword], after[keyword]))
    .map((keyword) => {
      return { kind: 'unjudged', path, words: `changed its ${keyword}, which cannot be judged` };
    });
};

const plainJudges: readonly Judge[] = [
  types,
  values,
  limitChanges,
  properties,
  inner('additionalProperties', '.*', 'properties'),
  inner('items', '[]', 'items'),
  described,
  unknown,
];

const isUnion = (schema: Schema): boolean =>
  Array.isArray(schema['anyOf']) || Array.isArray(schema['oneOf']);

/** Every branch that was taken must be taken by one that there is now, and the other way round. */
const unions: Judge = (before, after, path, walk) => {
  const [had, has] = [branchesOf(before), branchesOf(after)];
  const swapped = { ...walk, roots: { before: walk.roots.after, after: walk.roots.before } };
  const lost: unknown[] = [];
  const changes = had.flatMap((branch): readonly SchemaChange[] => {
    const fitting = has
      .map((candidate) => compare(branch, candidate, path, walk))
      .filter((found) => !found.some(({ kind }) => narrows.has(kind)))
      .sort((one, other) => one.length - other.length);
    if (fitting.length === 0) lost.push(branch);
    return (fitting[0] ?? []).filter(({ kind }) => kind === 'unjudged');
  });
  const gained = has.filter((branch) =>
    had.every((candidate) =>
      compare(branch, candidate, path, swapped).some(({ kind }) => narrows.has(kind)),
    ),
  );
  return [
    ...changes,
    ...some(lost, { kind: 'narrowed', path, words: `no longer takes ${branchText(lost)}` }),
    ...some(gained, { kind: 'widened', path, words: `takes ${branchText(gained)} too` }),
  ];
};

const branchText = (branches: readonly unknown[]): string =>
  listText(branches.map((branch) => (isSchema(branch) ? (branch['type'] ?? branch) : branch)));

/** A plain schema is a union of one. What stands beside the branches holds in each. */
function branchesOf(schema: Schema): readonly unknown[] {
  const { anyOf, oneOf, ...others } = schema;
  const beside = Object.entries(others).filter(([keyword]) => !describing.includes(keyword));
  const branches: unknown = anyOf ?? oneOf;
  if (!Array.isArray(branches)) return [Object.fromEntries(beside)];
  if (beside.length === 0) return branches;
  return branches.map((branch: unknown) =>
    isSchema(branch) ? { ...(Object.fromEntries(beside) as Schema), ...branch } : branch,
  );
}
