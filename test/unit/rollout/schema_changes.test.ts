import { expect } from 'chai';
import { schemaChanges } from '../../../src/rollout/schema_changes.js';

type Row = readonly [what: string, before: unknown, after: unknown, said: readonly string[]];

const object = (properties: object, fields: object = {}) => ({
  type: 'object',
  properties,
  ...fields,
});
const string = { type: 'string' };
const number = { type: 'number' };

const rows: readonly Row[] = [
  ['a type that is another', string, number, ['retyped']],
  ['a type that takes more', string, { type: ['string', 'null'] }, ['types_gained']],
  ['a type that takes less', { type: ['string', 'null'] }, string, ['types_lost']],
  ['whole numbers only', number, { type: 'integer' }, ['types_lost']],
  ['all numbers', { type: 'integer' }, number, ['types_gained']],
  ['any type, then one', {}, string, ['types_lost']],
  ['anything, then nothing', true, false, ['types_lost']],
  ['a value that is gone', { enum: ['a', 'b'] }, { enum: ['a'] }, ['narrowed']],
  ['a value more', { enum: ['a'] }, { enum: ['a', 'b'] }, ['widened']],
  ['values where all were taken', string, { ...string, enum: ['a'] }, ['narrowed']],
  ['a constant among the values', { enum: ['a', 'b'] }, { const: 'a' }, ['narrowed']],
  ['a tighter maximum', { maximum: 9 }, { maximum: 8 }, ['narrowed']],
  ['a looser maximum', { maximum: 9 }, { maximum: 10 }, ['widened']],
  ['a bound that leaves its value out', { minimum: 1 }, { exclusiveMinimum: 1 }, ['narrowed']],
  ['a bound that takes its value in', { exclusiveMinimum: 1 }, { minimum: 1 }, ['widened']],
  ['a shorter text', { maxLength: 9 }, { maxLength: 8 }, ['narrowed']],
  ['a least length', {}, { minLength: 1 }, ['narrowed']],
  ['fewer items', { maxItems: 9 }, { maxItems: 8 }, ['narrowed']],
  ['a pattern', string, { ...string, pattern: '^a' }, ['narrowed']],
  ['a pattern less', { ...string, pattern: '^a' }, string, ['widened']],
  ['another pattern', { pattern: '^a' }, { pattern: '^b' }, ['unjudged']],
  ['coarser multiples', { multipleOf: 2 }, { multipleOf: 4 }, ['narrowed']],
  ['finer multiples', { multipleOf: 4 }, { multipleOf: 2 }, ['widened']],
  ['items once only', {}, { uniqueItems: true }, ['narrowed']],
  ['closed to others', object({}), object({}, { additionalProperties: false }), ['narrowed']],
  ['opened to others', object({}, { additionalProperties: false }), object({}), ['widened']],
  ['an optional property', object({}), object({ a: string }), ['property_added']],
  ['a property less', object({ a: string }), object({}), ['property_removed']],
  [
    'a required property less',
    object({ a: string }, { required: ['a'] }),
    object({}),
    ['required_property_removed'],
  ],
  [
    'a new required property',
    object({}),
    object({ a: string }, { required: ['a'] }),
    ['required_added'],
  ],
  [
    'a property that became required and another type',
    object({ a: string }),
    object({ a: number }, { required: ['a'] }),
    ['required_added', 'retyped'],
  ],
  [
    'a property that became optional',
    object({ a: string }, { required: ['a'] }),
    object({ a: string }),
    ['required_removed'],
  ],
  ['items of another type', { items: string }, { items: number }, ['retyped']],
  ['a branch more', string, { anyOf: [string, { type: 'null' }] }, ['widened']],
  ['a branch less', { anyOf: [string, { type: 'null' }] }, string, ['narrowed']],
  ['branches in another order', { anyOf: [string, number] }, { anyOf: [number, string] }, []],
  [
    'a branch that is narrower',
    { oneOf: [string, number] },
    { oneOf: [{ ...string, maxLength: 2 }, number] },
    ['narrowed'],
  ],
  ['another description', { description: 'a' }, { description: 'b' }, ['described']],
  ['a keyword nobody knows', {}, { 'x-unit': 'm' }, ['unjudged']],
  ['an unknown keyword that stayed', { not: { const: 1 } }, { not: { const: 1 } }, []],
  [
    'definitions that have another name',
    { $defs: { a: string }, properties: { x: { $ref: '#/$defs/a' } } },
    { $defs: { b: string }, properties: { x: { $ref: '#/$defs/b' } } },
    [],
  ],
  [
    'a definition that changed where it is used',
    { $defs: { a: string }, properties: { x: { $ref: '#/$defs/a' } } },
    { $defs: { a: number }, properties: { x: { $ref: '#/$defs/a' } } },
    ['retyped'],
  ],
  [
    'a reference that leads nowhere, and another',
    { $ref: '#/$defs/gone' },
    { $ref: '#/$defs/other' },
    ['unjudged'],
  ],
];

describe('two schemas side by side', () => {
  for (const [what, before, after, said] of rows)
    it(`${what}: ${said.join(', ') || 'no change'}`, () => {
      expect(schemaChanges(before, after).map(({ kind }) => kind)).to.deep.equal(said);
    });

  it('says where deep inside something changed', () => {
    const nested = (inner: object) =>
      object({ filter: object({ tags: { type: 'array', items: inner } }) });
    const [change] = schemaChanges(nested(string), nested(number));
    expect(change?.path).to.equal('filter.tags[]');
    expect(change?.words).to.equal('takes number, and took string');
  });

  it('comes to an end in a schema that holds itself', () => {
    const tree = (leaf: object) => ({
      $ref: '#/$defs/node',
      $defs: {
        node: object({
          value: leaf,
          left: { $ref: '#/$defs/node', description: 'a branch' },
          right: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] },
        }),
      },
    });
    expect(schemaChanges(tree(string), tree(string))).to.deep.equal([]);
    expect(schemaChanges(tree(string), tree(number)).map(({ path }) => path)).to.include('value');
  });

  it('stops where a server would make it work without end', () => {
    const names = Array.from({ length: 40 }, (_, index) => `d${index}`);
    const doubling = (leaf: object) => ({
      $ref: '#/$defs/d0',
      $defs: Object.fromEntries(
        names.map((name, index) => {
          const next = { $ref: `#/$defs/d${index + 1}` };
          return [name, index === 39 ? leaf : object({ a: next, b: next })];
        }),
      ),
    });
    const kinds = schemaChanges(doubling(string), doubling(number)).map(({ kind }) => kind);
    expect(kinds).to.include('unjudged');
    expect(kinds.length).to.be.lessThan(20_000);
  });
});
