import { expect } from 'chai';
import { contentText } from '../../../src/cli/content.js';
import { brief, plain } from '../../../src/cli/table.js';
import { serviceOf, startOn, stateOf, stopAll } from '../admin/stage.js';
import { mcpx } from './stage.js';

describe("the content of a tool's result", () => {
  const cases: readonly [string, object, string][] = [
    ['text, its lines kept', { type: 'text', text: 'one\ntwo' }, 'one\ntwo'],
    ['text without what steers a terminal', { type: 'text', text: 'a\u001b[2Jb' }, 'a[2Jb'],
    [
      'an image by its type and size',
      { type: 'image', mimeType: 'image/png', data: 'AAAA' },
      '[image image/png, 3 bytes]',
    ],
    [
      'a link by name and address',
      { type: 'resource_link', name: 'log', uri: 'file:///log' },
      '[resource log file:///log]',
    ],
    ['an embedded text', { type: 'resource', resource: { uri: 'a:b', text: 'inner' } }, 'inner'],
    [
      'an embedded file by its address',
      { type: 'resource', resource: { uri: 'a:b', blob: 'AA==', mimeType: 'x/y' } },
      '[resource a:b x/y]',
    ],
    [
      'what is not known, as it came',
      { type: 'smell', of: 'rain' },
      '{"type":"smell","of":"rain"}',
    ],
  ];
  for (const [what, item, shown] of cases)
    it(`shows ${what}`, () => expect(contentText({ content: [item] })).to.equal(shown));

  it('falls back on the structured content where there is no text', () => {
    expect(contentText({ content: [], structuredContent: { a: 1 } })).to.equal('{\n  "a": 1\n}');
    expect(contentText({})).to.equal('');
  });
});

describe('tables', () => {
  afterEach(stopAll);

  it('colour only where a person looks', async () => {
    const admin = await startOn(stateOf([serviceOf('claims')]));
    const words = ['service', 'list', '--admin', admin];
    expect((await mcpx(words)).out).not.to.contain('\u001b[');
    expect((await mcpx(words, { colours: true })).out).to.contain('\u001b[32mready');
  });

  it('keep every row on one line and cut long texts', () => {
    expect(plain(' a\n\tb\u0007')).to.equal(' a b');
    expect(brief('word '.repeat(40), 10)).to.equal('word word…');
  });
});
