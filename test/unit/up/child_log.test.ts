import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { childLog } from '../../../src/up/child_log.js';
import { temporaryFolder, until } from './processes.js';

interface Shown {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

describe("the log of a child's lines", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let shown: Shown[];
  let infoToo: boolean;
  beforeEach(() => {
    folder = temporaryFolder();
    shown = [];
    infoToo = true;
  });
  afterEach(() => folder.remove());

  function open(name = 'filter service', at = folder.path) {
    const write = (line: string) => void shown.push(JSON.parse(line) as Shown);
    const log = pino({ level: 'debug', base: { part: name } }, { write });
    return childLog(name, at, () => infoToo, log);
  }
  const levels = () => shown.map(({ level }) => level);

  it('writes every line into a file of its own, as it came', async () => {
    const onLine = open('filter service', join(folder.path, 'logs'));
    const lines = ['{"level":20,"msg":"deep"}', 'not JSON', ''];
    lines.forEach(onLine);
    const file = join(folder.path, 'logs', 'filter-service.log');
    await until(() => readIfThere(file) === `${lines.join('\n')}\n`);
  });

  it('shows lines of our own log with their fields, under the name of the process', () => {
    open()('{"level":40,"time":1,"part":"filter","pid":7,"source":"consul","msg":"lost"}');
    const [line] = shown;
    expect(line).to.include({ level: 40, part: 'filter service', source: 'consul', msg: 'lost' });
  });

  it('understands the levels of pino and of Envoy', () => {
    const onLine = open();
    for (const level of [30, 40, 50, 60]) onLine(JSON.stringify({ level, msg: '' }));
    for (const level of ['info', 'warning', 'error', 'critical'])
      onLine(JSON.stringify({ level, msg: '' }));
    expect(levels()).to.deep.equal([30, 40, 50, 50, 30, 40, 50, 50]);
  });

  it('shows no debug lines', () => {
    const onLine = open();
    for (const level of [10, 20, 'trace', 'debug']) onLine(JSON.stringify({ level, msg: '' }));
    expect(shown).to.deep.equal([]);
  });

  it('shows only trouble while the first screen is drawn', () => {
    const onLine = open();
    infoToo = false;
    onLine('{"level":30,"msg":"quiet"}');
    onLine('plain');
    onLine('{"level":40,"msg":"trouble"}');
    infoToo = true;
    onLine('{"level":30,"msg":"later"}');
    expect(shown.map(({ msg }) => msg)).to.deep.equal(['trouble', 'later']);
  });

  for (const line of ['plain text', '[1,2]', '"text"', 'null', '42', '{"level":'])
    it(`shows what is no log line as it is: ${line}`, () => {
      open()(line);
      expect(shown.map(({ msg, level }) => [msg, level])).to.deep.equal([[line, 30]]);
    });

  for (const level of ['constructor', 'toString', '__proto__', null, {}])
    it(`takes a level it does not know for information: ${JSON.stringify(level)}`, () => {
      open()(JSON.stringify({ level, msg: 'strange' }));
      expect(levels()).to.deep.equal([30]);
    });
});

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
