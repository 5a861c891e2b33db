import { expect } from 'chai';
import ts from 'typescript';
import { sourcesIn, type SourceFile } from '../house/source.js';
import { checklist } from './checklist.js';

/** Every text of a test file: titles stand in calls, in tables and in templates. */
function titlesOf({ ast }: SourceFile): readonly string[] {
  const titles: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) titles.push(node.text);
    else if (ts.isTemplateExpression(node)) titles.push(node.getText());
    ts.forEachChild(node, visit);
  };
  visit(ast);
  return titles;
}

const pointsIn = (title: string): readonly number[] =>
  [...title.matchAll(/\(points? ([\d, ]+)\)/g)].flatMap(([, list = '']) =>
    list.split(',').map(Number),
  );

describe('the checklist of the protocol', () => {
  const tests = sourcesIn('test').filter(({ path }) => path.endsWith('.test.ts'));
  const titles = new Map(tests.map((file) => [file.path, titlesOf(file)]));
  const all = [...titles.values()].flat();
  const named = new Set(all.flatMap(pointsIn));

  it('has 43 points', () => {
    const numbers = Object.keys(checklist).map(Number);
    expect(numbers).to.deep.equal(Array.from({ length: 43 }, (_, index) => index + 1));
  });

  it('has a test for every point, or says why there is none', () => {
    const untested = Object.entries(checklist).filter(
      ([number, { elsewhere, missing }]) =>
        !named.has(Number(number)) && elsewhere === undefined && missing === undefined,
    );
    expect(untested.map(([number, { text }]) => `${number}: ${text}`)).to.deep.equal([]);
  });

  it('calls nothing missing that is there', () => {
    const found = Object.entries(checklist).filter(
      ([number, { missing }]) => missing !== undefined && named.has(Number(number)),
    );
    expect(found.map(([number]) => number)).to.deep.equal([]);
  });

  it('finds the tests of other rooms by their titles', () => {
    const lost = Object.values(checklist).flatMap(({ elsewhere }) =>
      elsewhere && !titles.get(elsewhere.file)?.includes(elsewhere.title) ? [elsewhere.title] : [],
    );
    expect(lost).to.deep.equal([]);
  });

  it('is named by number only for points that it has', () => {
    const unknown = all.filter((title) => pointsIn(title).some((point) => !(point in checklist)));
    expect(unknown).to.deep.equal([]);
  });
});
