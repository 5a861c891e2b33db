import { expect } from 'chai';
import type { Catalogue } from '../../../src/fleet/fleet.js';
import { judgeContract, levelBetween } from '../../../src/rollout/agreement.js';
import { offer, tool } from './offers.js';

const nothing = offer({});
const looking = offer({ tools: [tool('look')] });
const described = offer({ tools: [tool('look', { description: 'Looks.' })] });

type Row = readonly [
  from: string,
  to: string,
  before: Catalogue | undefined,
  after: Catalogue | undefined,
  answer: 'starts' | 'starts when accepted' | 'refused',
];

const rows: readonly Row[] = [
  ['1.0.0', '1.0.1', looking, looking, 'starts'],
  ['1.0.0', '1.0.1', looking, described, 'starts'],
  ['1.0.0', '1.1.0', nothing, looking, 'starts'],
  ['1.0.0', '1.0.1', nothing, looking, 'refused'],
  ['1.0.0', '1.0.1', looking, nothing, 'refused'],
  ['1.0.0', '1.1.0', looking, nothing, 'refused'],
  ['1.0.0', '2.0.0', looking, nothing, 'starts when accepted'],
  ['0.1.0', '0.2.0', looking, nothing, 'starts when accepted'],
  ['0.1.0', '0.1.1', nothing, looking, 'starts'],
  ['0.1.0', '0.1.1', looking, nothing, 'refused'],
  // Down again: the tool goes, and the numbers always said that it came with a minor version.
  ['1.1.0', '1.0.0', looking, nothing, 'starts when accepted'],
  ['2.0.0-rc.1', '2.0.0', nothing, looking, 'starts'],
  ['1.0.0', '1.0.1', looking, undefined, 'starts when accepted'],
  ['1.0.0', '1.0.1', undefined, looking, 'starts when accepted'],
];

const nameOf = (catalogue: Catalogue | undefined) =>
  catalogue ? `${catalogue.tools.length} tools` : 'nothing known';

describe('whether a rollout may start', () => {
  for (const [from, to, before, after, answer] of rows)
    it(`${from} (${nameOf(before)}) to ${to} (${nameOf(after)}): ${answer}`, () => {
      const offers = {
        from: { version: from, catalogue: before },
        to: { version: to, catalogue: after },
      };
      const plain = judgeContract({ ...offers, acceptBreaking: false });
      const accepting = judgeContract({ ...offers, acceptBreaking: true });
      expect([plain.mayStart, accepting.mayStart]).to.deep.equal([
        answer === 'starts',
        answer !== 'refused',
      ]);
    });

  const breaking = {
    from: { version: '1.0.0', catalogue: looking },
    to: { version: '1.0.1', catalogue: nothing },
  };

  it('says what breaks, and how to go on all the same', () => {
    const { refusals } = judgeContract({ ...breaking, acceptBreaking: false });
    expect(refusals[0]).to.match(/^tool look is gone .*1\.0\.0 to 1\.0\.1.*--accept-breaking/);
  });

  it('says which number would have been right', () => {
    const { refusals } = judgeContract({ ...breaking, acceptBreaking: true });
    expect(refusals).to.have.length(1);
    expect(refusals[0]).to.match(/is a patch version, and tool look is gone.*needs a major/);
  });

  it('says what was accepted, and nothing where nothing broke', () => {
    const question = { ...breaking, to: { ...breaking.to, version: '2.0.0' } };
    const accepted = judgeContract({ ...question, acceptBreaking: true });
    expect(accepted.accepted).to.equal('Accepted as breaking: tool look is gone.');
    const calm = { ...question, to: { version: '2.0.0', catalogue: looking } };
    expect(judgeContract({ ...calm, acceptBreaking: true }).accepted).to.equal(undefined);
  });

  it('names a few of many breaking changes, and how many there are', () => {
    const many = offer({ tools: Array.from({ length: 9 }, (_, index) => tool(`t${index}`)) });
    const offers = {
      from: { version: '1.0.0', catalogue: many },
      to: { version: '2.0.0', catalogue: nothing },
    };
    const { refusals } = judgeContract({ ...offers, acceptBreaking: false });
    expect(refusals[0]).to.contain('and 4 more');
  });
});

describe('what the numbers of two versions allow', () => {
  const levels = [
    ['1.2.3', '1.2.4', 'patch'],
    ['1.2.3', '1.3.0', 'minor'],
    ['1.2.3', '2.0.0', 'major'],
    ['1.2.3', '1.2.3+build', 'patch'],
    ['0.2.3', '0.2.4', 'minor'],
    ['0.2.3', '0.3.0', 'major'],
    ['0.0.3', '0.0.4', 'major'],
    ['0.0.3', '0.1.0', 'major'],
    ['0.9.0', '1.0.0', 'major'],
    ['2.0.0-rc.1', '2.0.0-rc.2', 'major'],
    ['1.2.3', '1.3.0-rc.1', 'minor'],
  ] as const;
  for (const [older, newer, level] of levels)
    it(`${older} to ${newer}: ${level}`, () => {
      expect(levelBetween(older, newer)).to.equal(level);
    });
});
