import { expect } from 'chai';
import { Turns } from '../../../src/probe/turns.js';
import { until } from '../up/processes.js';

/** Tasks that last until the test ends them. */
function tasks() {
  const started: number[] = [];
  const ends = new Map<number, () => void>();
  return {
    started,
    task: (name: number) => () =>
      new Promise<void>((resolve) => {
        started.push(name);
        ends.set(name, resolve);
      }),
    end: (name: number) => ends.get(name)?.(),
    endAll: () => ends.forEach((end) => end()),
  };
}

const atOnce = 32;
const firstNames = (count: number) => Array.from({ length: count }, (_, name) => name);

describe('turns', () => {
  let given: ReturnType<typeof tasks>;
  let turns: Turns;
  beforeEach(() => {
    given = tasks();
    turns = new Turns();
  });
  afterEach(() => given.endAll());

  const add = (count: number) => {
    for (const name of firstNames(count)) turns.add(given.task(name));
  };

  it('begin at once while there is room, and no more than that', () => {
    add(atOnce + 10);
    expect(given.started).to.deep.equal(firstNames(atOnce));
  });

  it('go to who came first when one ends', async () => {
    add(atOnce + 10);
    given.end(20);
    await until(() => given.started.length > atOnce);
    given.end(3);
    await until(() => given.started.length > atOnce + 1);
    expect(given.started).to.deep.equal(firstNames(atOnce + 2));
  });

  it('go on while some take long, and count those once when they end', async () => {
    add(2 * atOnce + 10);
    await until(() => given.started.length === 2 * atOnce);
    for (const name of firstNames(atOnce)) given.end(name);
    // Room for those that are quick was made before: their end makes none.
    await new Promise(setImmediate);
    expect(given.started).to.have.length(2 * atOnce);
    given.end(atOnce);
    await until(() => given.started.length === 2 * atOnce + 1);
  });
});
