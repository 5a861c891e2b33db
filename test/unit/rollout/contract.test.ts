import { expect } from 'chai';
import fc from 'fast-check';
import type { Catalogue } from '../../../src/fleet/fleet.js';
import { catalogueDifferences } from '../../../src/rollout/contract.js';
import { look, offer, tool } from './offers.js';

type Row = readonly [
  what: string,
  before: Partial<Catalogue>,
  after: Partial<Catalogue>,
  said: readonly string[],
];

const string = { type: 'string' };
const giving = (properties: object, required: readonly string[] = []) =>
  tool('look', { outputSchema: { type: 'object', properties, required } });
const hinting = (annotations: object | undefined) => tool('look', { annotations });

const rows: readonly Row[] = [
  ['a tool less', { tools: [tool('look')] }, { tools: [] }, ['tool look removed major']],
  ['a tool more', { tools: [] }, { tools: [tool('look')] }, ['tool look added minor']],
  [
    'a tool of another name that takes the same',
    { tools: [look({ id: string })] },
    { tools: [{ ...look({ id: string }), name: 'see' }] },
    ['tool look renamed major'],
  ],
  [
    'a tool that is gone and another that takes something else',
    { tools: [look({ id: string })] },
    { tools: [tool('see')] },
    ['tool look removed major', 'tool see added minor'],
  ],
  [
    'a required parameter more',
    { tools: [look({})] },
    { tools: [look({ id: string }, ['id'])] },
    ['tool look required_added major'],
  ],
  [
    'an optional parameter more',
    { tools: [look({})] },
    { tools: [look({ id: string })] },
    ['tool look property_added minor'],
  ],
  [
    'a parameter less',
    { tools: [look({ id: string })] },
    { tools: [look({})] },
    ['tool look property_removed major'],
  ],
  [
    'a parameter that takes less',
    { tools: [look({ id: string })] },
    { tools: [look({ id: { ...string, maxLength: 3 } })] },
    ['tool look narrowed major'],
  ],
  [
    'a parameter that takes more',
    { tools: [look({ id: { ...string, maxLength: 3 } })] },
    { tools: [look({ id: string })] },
    ['tool look widened minor'],
  ],
  [
    'a parameter of which nobody can say what changed',
    { tools: [look({ id: { ...string, format: 'uuid' } })] },
    { tools: [look({ id: { ...string, format: 'uri' } })] },
    ['tool look unjudged patch'],
  ],
  [
    'a required part of the answer less',
    { tools: [giving({ sum: string }, ['sum'])] },
    { tools: [giving({})] },
    ['tool look required_property_removed major'],
  ],
  [
    'a part of the answer that need not come any more',
    { tools: [giving({ sum: string }, ['sum'])] },
    { tools: [giving({ sum: string })] },
    ['tool look required_removed major'],
  ],
  [
    'a part of the answer that says less',
    { tools: [giving({ sum: string })] },
    { tools: [giving({ sum: { ...string, maxLength: 3 } })] },
    ['tool look narrowed patch'],
  ],
  [
    'an answer of which nothing is said any more',
    { tools: [giving({})] },
    { tools: [tool('look')] },
    ['tool look output_removed major'],
  ],
  [
    'another description',
    { tools: [tool('look', { description: 'a' })] },
    { tools: [tool('look', { description: 'b' })] },
    ['tool look described patch'],
  ],
  [
    'a tool that only read',
    { tools: [hinting({ readOnlyHint: true })] },
    { tools: [hinting(undefined)] },
    ['tool look annotations_changed major'],
  ],
  [
    'a tool that destroyed nothing',
    { tools: [hinting({ destructiveHint: false })] },
    { tools: [hinting({})] },
    ['tool look annotations_changed major'],
  ],
  [
    'a hint that says what was meant without it',
    { tools: [hinting(undefined)] },
    { tools: [hinting({ destructiveHint: true, readOnlyHint: false })] },
    [],
  ],
  [
    'a tool that only reads now',
    { tools: [hinting({})] },
    { tools: [hinting({ readOnlyHint: true })] },
    ['tool look annotations_changed patch'],
  ],
  [
    'a prompt that wants an argument more',
    { prompts: [tool('tell', { arguments: [] })] },
    { prompts: [tool('tell', { arguments: [{ name: 'of', required: true }] })] },
    ['prompt tell required_added major'],
  ],
  [
    'a prompt that lost an argument',
    { prompts: [tool('tell', { arguments: [{ name: 'of' }] })] },
    { prompts: [tool('tell')] },
    ['prompt tell property_removed major'],
  ],
  [
    'a resource less and a template more',
    { resources: [{ uri: 'file:///a' }] },
    { resourceTemplates: [{ uriTemplate: 'file:///{name}' }] },
    ['resource file:///a removed major', 'template file:///{name} added minor'],
  ],
  [
    'a resource of another type',
    { resources: [{ uri: 'file:///a', mimeType: 'text/plain' }] },
    { resources: [{ uri: 'file:///a', mimeType: 'text/html' }] },
    ['resource file:///a unjudged patch'],
  ],
];

const said = (before: Catalogue | undefined, after: Catalogue | undefined) =>
  catalogueDifferences(before, after).map(
    ({ subject, kind, level }) => `${subject} ${kind} ${level}`,
  );

describe('what two versions offer side by side', () => {
  for (const [what, before, after, differences] of rows)
    it(`${what}: ${differences.join(', ') || 'no difference'}`, () => {
      expect(said(offer(before), offer(after))).to.deep.equal(differences);
    });

  it('is breaking where nothing is known of one of them', () => {
    const [difference] = catalogueDifferences(undefined, offer({}));
    expect(difference?.kind).to.equal('unknown');
    expect(difference?.breaking).to.equal(true);
  });

  it('tells of no new name where several could be meant', () => {
    const after = offer({ tools: [tool('see'), tool('find')] });
    expect(said(offer({ tools: [tool('look')] }), after)).to.include('tool look removed major');
  });
});

const leaf = fc.oneof(
  fc.record({ type: fc.constantFrom('string', 'number', 'integer', 'boolean') }),
  fc.record({ enum: fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { minLength: 1 }) }),
  fc.record({ type: fc.constant('string'), maxLength: fc.nat(9) }, { requiredKeys: ['type'] }),
  fc.record({ type: fc.constant('number'), minimum: fc.integer({ min: -9, max: 9 }) }),
  fc.record({ $ref: fc.constant('#/$defs/shared') }),
  fc.boolean(),
);
const { schema } = fc.letrec<{ schema: unknown }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    leaf,
    fc.record({ type: fc.constant('array'), items: tie('schema') }),
    fc.record({ anyOf: fc.array(tie('schema'), { minLength: 1, maxLength: 3 }) }),
    fc.record({
      type: fc.constant('object'),
      properties: fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('schema')),
      required: fc.subarray(['a', 'b']),
      additionalProperties: fc.boolean(),
    }),
  ),
}));
const input = fc.record({
  type: fc.constant('object'),
  properties: fc.dictionary(fc.constantFrom('a', 'b', 'c'), schema),
  required: fc.subarray(['a', 'b', 'c']),
  $defs: fc.record({ shared: schema }),
});
const tools = fc.uniqueArray(
  fc.record(
    {
      name: fc.constantFrom('look', 'find', 'tell'),
      description: fc.string(),
      inputSchema: input,
      outputSchema: input,
      annotations: fc.dictionary(fc.constantFrom('readOnlyHint', 'destructiveHint'), fc.boolean()),
    },
    { requiredKeys: ['name', 'inputSchema'] },
  ),
  { selector: ({ name }) => name },
);

describe('whatever a server offers', () => {
  it('offers the same as itself', () => {
    fc.assert(
      fc.property(tools, (all) => {
        expect(said(offer({ tools: all }), offer({ tools: structuredClone(all) }))).to.deep.equal(
          [],
        );
      }),
    );
  }).timeout(20_000);

  it('breaks nobody with an optional parameter more', () => {
    fc.assert(
      fc.property(tools, schema, (all, added) => {
        const more = all.map((each) => {
          const properties = { ...each.inputSchema.properties, more: added };
          return { ...each, inputSchema: { ...each.inputSchema, properties } };
        });
        const differences = catalogueDifferences(offer({ tools: all }), offer({ tools: more }));
        expect(differences.filter(({ breaking }) => breaking)).to.deep.equal([]);
        expect(differences.map(({ kind }) => kind)).to.deep.equal(all.map(() => 'property_added'));
      }),
    );
  }).timeout(20_000);

  it('breaks somebody with a tool less', () => {
    fc.assert(
      fc.property(tools, (all) => {
        fc.pre(all.length > 0);
        const fewer = offer({ tools: all.slice(1) });
        const differences = catalogueDifferences(offer({ tools: all }), fewer);
        expect(differences.map(({ kind }) => kind)).to.include('removed');
      }),
    );
  }).timeout(20_000);
});
