import { UriTemplate } from '@modelcontextprotocol/client';
import { expect } from 'chai';
import fc from 'fast-check';
import { parseUriTemplate } from '../../../src/mcp/uri_template.js';

const matches = (template: string, uri: string): boolean | undefined =>
  parseUriTemplate(template)?.matches(uri);

describe('a URI template', () => {
  it('matches what it can have made, and nothing else', () => {
    const cases: readonly (readonly [string, string, boolean])[] = [
      ['note://a/{id}', 'note://a/7', true],
      ['note://a/{id}', 'note://a/', false],
      ['note://a/{id}', 'note://a/7/8', false],
      ['note://a/{id}', 'note://b/7', false],
      ['note://a/{id}/data', 'note://a/7/data', true],
      ['note://a/{id}/data', 'note://a/7/data/more', false],
      ['file:///{+path}', 'file:///a/b/c.txt', true],
      ['file:///{+path}', 'file:///', false],
      ['{+any}', 'whatever://x', true],
      ['x://{a}-{b}', 'x://1-2-3', true],
      ['x://{a}-{b}', 'x://12', false],
      ['x://y{/a,b}', 'x://y/1/2', true],
      ['x://y{/a*}', 'x://y/1/2/3', true],
      ['x://y{/a}', 'x://y/1/2', false],
      ['x://y{.kind}', 'x://y.txt', true],
      ['x://y{.kind}', 'x://ytxt', false],
      ['x://y{?q,lang}', 'x://y', true],
      ['x://y{?q,lang}', 'x://y?lang=en&q=a/b', true],
      ['x://y{?q,lang}', 'x://y?other=1', false],
      ['x://y{?q*}', 'x://y?other=1&more=2', true],
      ['x://y?fixed=1{&q}', 'x://y?fixed=1&q=2', true],
      ['x://y{#part}', 'x://y#end', true],
      ['x://plain', 'x://plain', true],
      ['x://plain', 'x://plainer', false],
      ['x://a.c', 'x://abc', false],
    ];
    for (const [template, uri, expected] of cases)
      expect(matches(template, uri), `${template} ${uri}`).to.equal(expected);
  });

  it('is nothing when it is not well formed', () => {
    for (const template of ['x://{', 'x://}', 'x://{}', 'x://{a b}', 'x://{{a}}', 'x://{!a}'])
      expect(parseUriTemplate(template), template).to.equal(undefined);
  });

  it('refuses nothing that the official matcher takes', () => {
    const part = fc.constantFrom(
      'a',
      '/',
      '{b}',
      '{c}',
      '{+d}',
      '{/e}',
      '{.f}',
      '{?g,h}',
      '?',
      '=',
    );
    const sign = fc.constantFrom('a', '/', '.', '?', '&', '=', 'g', 'h', 'x');
    const text = (letter: fc.Arbitrary<string>, maxLength: number) =>
      fc.array(letter, { maxLength }).map((all) => `x://${all.join('')}`);
    fc.assert(
      fc.property(text(part, 6), text(sign, 12), (template, uri) => {
        if (new UriTemplate(template).match(uri)) expect(matches(template, uri)).to.equal(true);
      }),
      { numRuns: 3_000 },
    );
  });

  it('is quick whatever a server and a client think of', () => {
    const began = performance.now();
    expect(matches(`x://${'{a}'.repeat(32)}!`, `x://${'a'.repeat(4_000)}`)).to.equal(false);
    expect(matches(`x://${'{+a}'.repeat(16)}{?q*}!`, `x://${'?'.repeat(4_000)}`)).to.equal(false);
    expect(performance.now() - began).to.be.below(2_000);
  });
});
