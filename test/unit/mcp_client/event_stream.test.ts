import { expect } from 'chai';
import fc from 'fast-check';
import { EventStream } from '../../../src/mcp_client/event_stream.js';

const read = (...chunks: readonly string[]): string[] => {
  const events = new EventStream();
  return chunks.flatMap((chunk) => events.push(chunk));
};

describe('an event stream', () => {
  it('gives the data of each message event, many lines joined', () => {
    expect(read('data: a\ndata: b\n\nevent: message\ndata:c\n\n')).to.deep.equal(['a\nb', 'c']);
  });

  it('passes over comments, ids, retry, other events, and events without data', () => {
    const text = ': keep-alive\n\nid: 1\nretry: 5\ndata:\n\nevent: ping\ndata: x\n\ndata: y\n\n';
    expect(read(text)).to.deep.equal(['y']);
  });

  it('knows all three line ends and a byte order mark', () => {
    expect(read('\uFEFFdata: a\r\n\r\n', 'data: b\r\r', 'data: c\n\n')).to.deep.equal([
      'a',
      'b',
      'c',
    ]);
  });

  it('keeps colons and blanks that belong to the data', () => {
    expect(read('data:  {"a": "b:c"} \n\n')).to.deep.equal([' {"a": "b:c"} ']);
  });

  it('reads the same however it is cut into chunks', () => {
    const text =
      'data: one\r\ndata: two\r\n\r\n: x\n\nevent: message\rdata: three\r\r\ndata: 4\n\n';
    fc.assert(
      fc.property(fc.array(fc.nat(text.length)), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), text.length];
        const chunks = at.slice(1).map((end, index) => text.slice(at[index], end));
        expect(read(...chunks)).to.deep.equal(['one\ntwo', 'three', '4']);
      }),
    );
  });
});
