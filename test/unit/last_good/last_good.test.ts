import { expect } from 'chai';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { lastGoodStore, type LastGood } from '../../../src/last_good.js';
import { silentLog } from '../../../src/log.js';
import { catalogueOf, offering, registration, report } from '../fleet/registered.js';
import { temporaryFolder } from '../pipeline/stage.js';

/** Everything a fleet is made of, from two registries. */
const good: LastGood = {
  reports: new Map([
    ['file', report('file', [registration()])],
    ['consul', report('consul', [], { claims: { era: 'legacy' } })],
  ]),
  probes: offering({ claims: ['file', 'close'] }),
};

describe('the last good', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let path: string;
  let warnings: string[];
  let log: typeof silentLog;
  beforeEach(() => {
    folder = temporaryFolder();
    path = join(folder.path, 'last_good.json');
    warnings = [];
    log = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(line) });
  });
  afterEach(() => folder.remove());

  async function kept(value: LastGood, at = folder.path): Promise<void> {
    const store = lastGoodStore(at, log);
    store.keep(value);
    await store.close();
  }

  it('is nothing, and nothing to warn of, while there is no file', () => {
    expect(lastGoodStore(folder.path, log).read()).to.equal(undefined);
    expect(warnings).to.deep.equal([]);
  });

  it('reads what was kept, problems aside', async () => {
    await kept(good);
    const read = lastGoodStore(folder.path, log).read();
    expect([...(read?.reports.keys() ?? [])]).to.deep.equal(['file', 'consul']);
    for (const [source, { registrations, policies }] of good.reports) {
      expect(read?.reports.get(source)?.registrations).to.deep.equal(registrations);
      expect(read?.reports.get(source)?.policies).to.deep.equal(policies);
    }
    const claims = read?.probes.get('claims');
    expect(claims?.failure).to.equal(undefined);
    expect(claims?.catalogue?.tools.map(({ name }) => name)).to.deep.equal(['file', 'close']);
  });

  it('keeps what each version of a service offers', async () => {
    const [one, two] = [catalogueOf('file'), catalogueOf('file', 'close')];
    const versions = { '2.0.0': two, '1.0.0': one };
    await kept({
      ...good,
      probes: new Map([['claims', { catalogue: two, failure: undefined, versions }]]),
    });
    const read = lastGoodStore(folder.path, log).read()?.probes.get('claims');
    expect(Object.keys(read?.versions ?? {})).to.deep.equal(['2.0.0', '1.0.0']);
    expect(read?.versions?.['1.0.0']?.tools).to.deep.equal(one.tools);
  });

  it('writes the newest only', async () => {
    const store = lastGoodStore(folder.path, log);
    store.keep(good);
    store.keep({ ...good, probes: offering({ claims: ['newest'] }) });
    await store.close();
    expect(readFileSync(path, 'utf8')).to.include('newest').and.not.to.include('close');
  });

  it('writes by itself, without waiting for the end', async () => {
    const store = lastGoodStore(folder.path, log);
    store.keep(good);
    while (!existsSync(path)) await new Promise(setImmediate);
    expect(store.read()?.reports.size).to.equal(2);
    await store.close();
  });

  it('is for its owner alone: it holds what servers say of themselves', async () => {
    await kept(good);
    expect(statSync(path).mode & 0o777).to.equal(0o600);
  });

  it('makes the data folder where there is none', async () => {
    const at = join(folder.path, 'not', 'yet');
    await kept(good, at);
    expect(lastGoodStore(at, log).read()?.reports.size).to.equal(2);
    expect(warnings).to.deep.equal([]);
  });

  it('has nothing to write at the end when nothing was kept', async () => {
    await lastGoodStore(folder.path, log).close();
    expect(existsSync(path)).to.equal(false);
  });

  for (const [what, text] of [
    ['broken', '{"format":1,"reports":['],
    ['empty', ''],
    ['of another format', '{"format":0,"reports":[],"probes":[]}'],
    ['of another shape', '{"format":1}'],
    ['null', 'null'],
  ] as const)
    it(`is ignored with a warning when its file is ${what}`, () => {
      writeFileSync(path, text);
      expect(lastGoodStore(folder.path, log).read()).to.equal(undefined);
      expect(warnings).to.have.length(1);
      expect(warnings[0]).to.include('last good is ignored').and.to.include(path);
    });

  it('that cannot be written is a warning, and the next one is tried again', async () => {
    const at = join(folder.path, 'data');
    writeFileSync(at, 'a file where the folder should be');
    const store = lastGoodStore(at, log);
    store.keep(good);
    await store.close();
    expect(warnings[0]).to.include('last good cannot be kept');
    rmSync(at);
    store.keep(good);
    await store.close();
    expect(store.read()?.reports.size).to.equal(2);
    expect(warnings).to.have.length(1);
  });
});
