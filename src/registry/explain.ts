/** What a schema says is wrong with a document, in sentences that say what is right. */
import { z } from 'zod';
import { nearest } from '../config.js';

export interface Complaint {
  /** As `traffic.outlier.interval`. */
  readonly path: string;
  readonly message: string;
}

/** How fields are called where the document came from, when it was not written as such. */
export type FieldNames = ReadonlyMap<string, string>;

export function explain(
  issues: readonly z.core.$ZodIssue[],
  document: unknown,
  fieldPaths: readonly string[],
): Complaint[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => unknownField([...issue.path, key], fieldPaths));
    if (issue.code === 'invalid_union') return explain(nearestForm(issue), document, fieldPaths);
    const path = pathText(issue.path);
    return [{ path, message: `must be ${issue.message}; ${shown(valueAt(document, issue.path))}` }];
  });
}

/** Of a field that takes several forms, what speaks against the one that was meant. */
function nearestForm({ errors, path }: z.core.$ZodIssueInvalidUnion): z.core.$ZodIssue[] {
  const [meant = []] = [...errors].sort((one, other) => one.length - other.length);
  return meant.map((issue) => ({ ...issue, path: [...path, ...issue.path] }));
}

/** Every path that `schema` knows, leaves and mappings alike. */
export function fieldPathsOf(schema: z.ZodType): string[] {
  return pathsIn(z.toJSONSchema(schema, { io: 'input' }), '');
}

function pathsIn(node: z.core.JSONSchema._JSONSchema, prefix: string): string[] {
  if (typeof node === 'boolean') return [];
  return Object.entries(node.properties ?? {}).flatMap(([key, inner]) => [
    `${prefix}${key}`,
    ...pathsIn(inner, `${prefix}${key}.`),
  ]);
}

function unknownField(path: readonly PropertyKey[], fieldPaths: readonly string[]): Complaint {
  const whole = pathText(path);
  const key = String(path.at(-1));
  const parent = whole.slice(0, whole.length - key.length);
  const siblings = fieldPaths
    .filter((known) => known.startsWith(parent) && !known.slice(parent.length).includes('.'))
    .map((known) => known.slice(parent.length));
  const near = nearest(key, siblings);
  const elsewhere = fieldPaths.filter((known) => known.endsWith(`.${key}`));
  const hint =
    near !== undefined
      ? `did you mean ${parent}${near}?`
      : elsewhere.length > 0
        ? `it belongs to ${elsewhere.join(' or ')}`
        : `known are ${siblings.join(', ')}`;
  return { path: whole, message: `is not a known field; ${hint}` };
}

function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '');
}

function valueAt(document: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null
        ? (value as Readonly<Record<PropertyKey, unknown>>)[key]
        : undefined,
    document,
  );
}

function shown(value: unknown): string {
  if (value === undefined) return 'it is missing';
  if (value === null) return 'it is empty';
  const written = JSON.stringify(value);
  return `it is ${written.length > 80 ? `${written.slice(0, 77)}…` : written}`;
}
