import { expect } from 'chai';
import fc from 'fast-check';
import { readBody, withName, type MessageBody } from '../../../src/mcp/body.js';

const bytes = (text: string): Buffer => Buffer.from(text);

function bodyOf(text: string): MessageBody {
  const read = readBody(bytes(text));
  if (read.kind !== 'object') throw new Error(`${read.kind}: ${text}`);
  return read.body;
}

const rewritten = (text: string, name: string): string => withName(bodyOf(text), name).toString();

/** Choices that come round again. */
const choices = fc.array(fc.nat(), { minLength: 1, maxLength: 50 }).map((numbers) => {
  let at = 0;
  return (): number => numbers[at++ % numbers.length] ?? 0;
});

/** JSON of `value` with blanks wherever they may stand and letters escaped at will. */
function spelled(value: unknown, next: () => number): string {
  const blank = () => [' ', '\n', '\t', '\r\n ', '', ''][next() % 6] ?? '';
  const between = () => `${blank()},${blank()}`;
  const text = (plain: string) =>
    JSON.stringify(plain).replace(/\\u....|\\.|[a-z]/g, (sign) =>
      sign.length === 1 && next() % 3 === 0
        ? `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`
        : sign,
    );
  if (typeof value === 'string') return text(value);
  if (Array.isArray(value)) {
    const items = value.map((item) => spelled(item, next));
    return `[${blank()}${items.join(between())}${blank()}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(
      ([key, item]) => `${text(key)}${blank()}:${blank()}${spelled(item, next)}`,
    );
    return `{${blank()}${members.join(between())}${blank()}}`;
  }
  return JSON.stringify(value);
}

const messages = fc.record({
  jsonrpc: fc.constant('2.0'),
  id: fc.oneof(fc.string(), fc.integer()),
  method: fc.constant('tools/call'),
  params: fc
    .record({
      arguments: fc.jsonValue({ maxDepth: 4 }),
      name: fc.oneof(fc.string(), fc.constant('a"b\\c}{][,:')),
      extra: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })),
    })
    .map(({ extra, ...params }) => ({ ...extra, ...params })),
});

describe('a request body', () => {
  it('changes in nothing but params.name, however it is spelled', () => {
    fc.assert(
      fc.property(messages, fc.string(), choices, (message, name, next) => {
        const text = spelled(message, next);
        const expected = JSON.parse(text) as typeof message;
        expected.params.name = name;
        expect(JSON.parse(rewritten(text, name))).to.deep.equal(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('stays as it was, byte for byte, on both sides of the name', () => {
    fc.assert(
      fc.property(messages, choices, (message, next) => {
        const text = spelled(message, next);
        const { nameSpan = { start: 0, end: 0 } } = bodyOf(text);
        const [before, after] = [text.slice(0, nameSpan.start), text.slice(nameSpan.end)];
        expect(JSON.parse(text.slice(nameSpan.start, nameSpan.end))).to.equal(message.params.name);
        expect(rewritten(text, 'N')).to.equal(`${before}"N"${after}`);
      }),
      { numRuns: 500 },
    );
  });

  it('never throws, whatever the bytes', () => {
    const nearly = fc
      .array(fc.constantFrom('{', '}', '[', ']', '"', '\\', ':', ',', 'name', 'params', '1', ' '))
      .map((parts) => bytes(parts.join('')));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), nearly), (any) => {
        expect(readBody(any).kind).to.be.oneOf(['object', 'batch', 'malformed', 'invalid']);
      }),
      { numRuns: 2_000 },
    );
  });

  it('keeps numbers that JavaScript cannot hold', () => {
    const text = (name: string) =>
      `{"jsonrpc":"2.0","id":12345678901234567890,"method":"tools/call",` +
      `"params":{"arguments":{"n":1.0,"big":12345678901234567890,"e":1E400},"name":"${name}"}}`;
    expect(rewritten(text('claims__file'), 'file')).to.equal(text('file'));
    expect(bodyOf(text('x')).idText).to.equal('12345678901234567890');
  });

  it('is not fooled by names in arguments, in strings or at other levels', () => {
    const cases: readonly (readonly [string, string])[] = [
      [
        '{"params":{"arguments":{"name":"a"},"name":"b"}}',
        '{"params":{"arguments":{"name":"a"},"name":"N"}}',
      ],
      ['{"name":"a","params":{"name":"b"}}', '{"name":"a","params":{"name":"N"}}'],
      [
        '{"x":"\\"params\\":{\\"name\\":1}","params":{"name":"b"}}',
        '{"x":"\\"params\\":{\\"name\\":1}","params":{"name":"N"}}',
      ],
      ['{"params":{"na\\u006de":"b"}}', '{"params":{"na\\u006de":"N"}}'],
      ['{"params":{"name":[{"name":"}"}]}}', '{"params":{"name":"N"}}'],
      ['{"params":{"x":"\\\\","name":"b"}}', '{"params":{"x":"\\\\","name":"N"}}'],
    ];
    for (const [text, expected] of cases) expect(rewritten(text, 'N')).to.equal(expected);
  });

  it('is refused when a key stands twice at a level that is read, however it is spelled', () => {
    const cases = [
      '{"method":"a","method":"b"}',
      '{"params":{"name":"a","na\\u006de":"b"}}',
      '{"params":{"_meta":{"a":1,"a":2}}}',
      '{"params":{},"params":{}}',
    ];
    for (const text of cases) expect(readBody(bytes(text)).kind, text).to.equal('invalid');
    expect(readBody(bytes('{"params":{"arguments":{"a":1,"a":2}}}')).kind).to.equal('object');
  });

  it('is malformed when it is not JSON in UTF-8', () => {
    const broken = [Buffer.from([0x22, 0xff, 0x22]), bytes('\uFEFF{}'), bytes('{'), bytes('')];
    for (const body of broken) expect(readBody(body).kind).to.equal('malformed');
    expect(readBody(bytes('[]')).kind).to.equal('batch');
    expect(readBody(bytes('1')).kind).to.equal('invalid');
  });

  it('of 4 MB, nested or full of backslashes, is read in linear time', () => {
    const half = 2 * 1024 * 1024;
    const nested = `{"params":{"a":${'['.repeat(half)}${']'.repeat(half)},"name":"x"}}`;
    const slashes = `{"params":{"a":"${'\\\\'.repeat(half)}","name":"x"}}`;
    for (const text of [nested, slashes]) expect(rewritten(text, 'y')).to.match(/"name":"y"}}$/);
  }).timeout(5_000);
});
