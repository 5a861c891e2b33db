/** Bounds, patterns and the like in two JSON Schemas: which are tighter than before. */
import type { SchemaChange } from './schema_change.js';
import type { Schema } from './schema_walk.js';

export function limitChanges(before: Schema, after: Schema, path: string): SchemaChange[] {
  return [
    ...bounds.flatMap((bound) => boundChange(bound, before, after)),
    ...multipleChange(before['multipleOf'], after['multipleOf']),
    ...patternChange(before['pattern'], after['pattern']),
    ...uniqueChange(before['uniqueItems'] === true, after['uniqueItems'] === true),
  ].map((change) => ({ ...change, path }));
}

type Change = Omit<SchemaChange, 'path'>;

interface Bound {
  readonly keyword: string;
  readonly exclusive?: string;
  /** 1: a greater value is tighter. */
  readonly sign: 1 | -1;
  readonly words: string;
}

const bounds: readonly Bound[] = [
  { keyword: 'minimum', exclusive: 'exclusiveMinimum', sign: 1, words: 'a value of at least' },
  { keyword: 'maximum', exclusive: 'exclusiveMaximum', sign: -1, words: 'a value of at most' },
  { keyword: 'minLength', sign: 1, words: 'a length of at least' },
  { keyword: 'maxLength', sign: -1, words: 'a length of at most' },
  { keyword: 'minItems', sign: 1, words: 'a number of items of at least' },
  { keyword: 'maxItems', sign: -1, words: 'a number of items of at most' },
  { keyword: 'minProperties', sign: 1, words: 'a number of properties of at least' },
  { keyword: 'maxProperties', sign: -1, words: 'a number of properties of at most' },
];

/** How tight it is, the greater the tighter, and whether the value itself is left out. */
interface Limit {
  readonly tightness: number;
  readonly isExclusive: boolean;
}

function boundChange(bound: Bound, before: Schema, after: Schema): Change[] {
  const [had, has] = [limitOf(bound, before), limitOf(bound, after)];
  const tighter = compareLimits(has, had);
  if (tighter === 0) return [];
  const wants = (limit: Limit) => limitText(limit, bound);
  if (tighter < 0) return [{ kind: 'widened', words: `took ${wants(had)}; that is looser now` }];
  return [{ kind: 'narrowed', words: `takes only ${wants(has)}` }];
}

function limitOf({ keyword, exclusive, sign }: Bound, schema: Schema): Limit {
  const read = (name: string | undefined): number => {
    const value = name === undefined ? undefined : schema[name];
    return typeof value === 'number' ? value * sign : -Infinity;
  };
  const [inclusive, strict] = [read(keyword), read(exclusive)];
  return {
    tightness: Math.max(inclusive, strict),
    isExclusive: strict >= inclusive && strict > -Infinity,
  };
}

function compareLimits(one: Limit, other: Limit): number {
  if (one.tightness !== other.tightness) return one.tightness > other.tightness ? 1 : -1;
  return Number(one.isExclusive) - Number(other.isExclusive);
}

function limitText({ tightness, isExclusive }: Limit, { sign, words }: Bound): string {
  return `${words} ${tightness * sign}${isExclusive ? ', itself left out' : ''}`;
}

function multipleChange(before: unknown, after: unknown): Change[] {
  if (before === after) return [];
  if (typeof after !== 'number') return [{ kind: 'widened', words: 'need not be a multiple' }];
  if (typeof before === 'number' && before % after === 0)
    return [{ kind: 'widened', words: `takes multiples of ${after}` }];
  return [{ kind: 'narrowed', words: `takes only multiples of ${after}` }];
}

/** Whether one pattern takes all that another does cannot be told by looking. */
function patternChange(before: unknown, after: unknown): Change[] {
  if (before === after) return [];
  if (after === undefined) return [{ kind: 'widened', words: 'need not match a pattern' }];
  if (before === undefined) return [{ kind: 'narrowed', words: 'must match a pattern now' }];
  return [{ kind: 'unjudged', words: 'has another pattern, which cannot be judged' }];
}

function uniqueChange(was: boolean, is: boolean): Change[] {
  if (was === is) return [];
  if (was) return [{ kind: 'widened', words: 'may hold an item twice' }];
  return [{ kind: 'narrowed', words: 'takes no item twice' }];
}
