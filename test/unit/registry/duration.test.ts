import { expect } from 'chai';
import fc from 'fast-check';
import { formatDuration, parseDuration } from '../../../src/registry/duration.js';

describe('durations', () => {
  const written: readonly (readonly [string, number | undefined])[] = [
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5s', 1_500],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['0s', 0],
    ['30', undefined],
    ['', undefined],
    ['s', undefined],
    ['-1s', undefined],
    ['30 s', undefined],
    ['30sec', undefined],
    ['1e3s', undefined],
  ];
  for (const [text, milliseconds] of written)
    it(`reads ${JSON.stringify(text)} as ${milliseconds ?? 'no duration'}`, () => {
      expect(parseDuration(text)).to.equal(milliseconds);
    });

  it('reads back every duration it writes', () => {
    fc.assert(
      fc.property(fc.nat(100_000_000), (milliseconds) => {
        expect(parseDuration(formatDuration(milliseconds))).to.equal(milliseconds);
      }),
    );
  });
});
