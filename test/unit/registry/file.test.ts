import { expect } from 'chai';
import { mkdir, mkdtemp, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../../src/log.js';
import { createFileRegistry } from '../../../src/registry/file.js';
import type { Registry } from '../../../src/registry/registry.js';
import { anyTarget, claims, holds, instance, watching } from './watching.js';

const commented = `# The marine fleet
services:
  # reads claims
  - name: claims # never rename
    version: 2.1.0
    url: http://10.0.0.7:3000/mcp
  - name: policies
    version: 1.0.0
    url: http://10.0.0.8:3000/mcp
    weight: 20 # half the machine
`;

const one = `services:\n  - {name: claims, version: 2.1.0, url: "http://10.0.0.7:3000/mcp"}\n`;

describe('services.yaml as a registry', () => {
  let folder: string;
  let path: string;
  let open: Registry[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mcpx-file-'));
    path = join(folder, 'services.yaml');
  });
  afterEach(async () => {
    await Promise.all(open.map((registry) => registry.close()));
    open = [];
    await rm(folder, { recursive: true });
  });

  function registry(at = path): Registry {
    const created = createFileRegistry({ path: at, allowedTargets: anyTarget, log: silentLog });
    open.push(created);
    return created;
  }

  it('is empty while there is no file, and hears when one is made', async () => {
    const at = join(folder, 'not', 'yet', 'services.yaml');
    const seen = watching(registry(at));
    await seen.report(holds());
    await seen.hearing.when(({ state }) => state === 'heard');
    await mkdir(join(folder, 'not', 'yet'), { recursive: true });
    await writeFile(at, one);
    await seen.report(holds('10.0.0.7:3000'));
  });

  it('hears edits in place, files renamed over it, and its removal', async () => {
    await writeFile(path, one);
    const seen = watching(registry());
    await seen.report(holds('10.0.0.7:3000'));
    await writeFile(path, commented);
    await seen.report(holds('10.0.0.7:3000', '10.0.0.8:3000'));
    await writeFile(join(folder, 'new'), one);
    await rename(join(folder, 'new'), path);
    await seen.report(holds('10.0.0.7:3000'));
    await rm(path);
    await seen.report(holds());
  });

  it('does not believe a file that is emptied only to be written again', async () => {
    await writeFile(path, commented);
    const seen = watching(registry());
    await seen.report(holds('10.0.0.7:3000', '10.0.0.8:3000'));
    for (let weight = 21; weight < 30; weight++) {
      await truncate(path);
      await new Promise(setImmediate);
      await writeFile(path, commented.replace('20', String(weight)));
      await seen.report((report) => instance(report, '10.0.0.8:3000')?.weight === weight);
    }
    expect(seen.reports.map(({ registrations }) => registrations.length)).to.not.include(0);
  });

  it('keeps the object of an unchanged registration, and reports only changes', async () => {
    await writeFile(path, one);
    const seen = watching(registry());
    const first = await seen.report(holds('10.0.0.7:3000'));
    await writeFile(path, `# only a comment\n${one}`);
    await writeFile(path, commented);
    const second = await seen.report(holds('10.0.0.7:3000', '10.0.0.8:3000'));
    expect(instance(second, '10.0.0.7:3000')).to.equal(instance(first, '10.0.0.7:3000'));
    expect(seen.reports).to.have.lengthOf(2);
  });

  for (const [mistake, from, to, path_] of [
    ['in a field', 'weight: 20', 'weight: heavy', 'services[1].weight'],
    ['in its address', 'http://10.0.0.8', 'htp://10.0.0.8', 'services[1].url'],
    ['in its name', 'name: policies', 'name: poli_cies', 'services[1].name'],
  ] as const)
    it(`keeps the last good form of an entry with a mistake ${mistake}`, async () => {
      await writeFile(path, commented);
      const seen = watching(registry());
      const first = await seen.report(holds('10.0.0.7:3000', '10.0.0.8:3000'));
      await writeFile(path, commented.replace(from, to));
      const second = await seen.report(({ problems }) => problems.length > 0);
      expect(second.problems.map(({ subject }) => subject.path)).to.deep.equal([path_]);
      expect(second.registrations).to.deep.equal(first.registrations);
      expect(second.registrations[1]).to.equal(first.registrations[1]);
      await writeFile(path, commented);
      const third = await seen.report(({ problems }) => problems.length === 0);
      expect(third.registrations[1]).to.equal(first.registrations[1]);
    });

  it('takes no newcomer that is wrong, and goes on with the rest', async () => {
    await writeFile(path, commented.replace('weight: 20', 'weight: heavy'));
    const report = await watching(registry()).report(holds('10.0.0.7:3000'));
    expect(report.problems).to.have.lengthOf(1);
  });

  it('counts the first of two entries for the same instance', async () => {
    await writeFile(path, one + one.replace('services:\n', '').replace('2.1.0', '2.2.0'));
    const report = await watching(registry()).report(holds('10.0.0.7:3000'));
    expect(report.registrations[0]?.version).to.equal('2.1.0');
    expect(report.problems[0]?.message).to.include('twice');
  });

  for (const [what, text, place] of [
    ['no YAML', 'services:\n  - name: [claims\n', 'services.yaml:3:1'],
    ['a misspelt key', 'service: []\n', 'did you mean services?'],
    ['no list', 'services: {claims: 1}\n', 'must be a list'],
    ['no mapping', '- claims\n', 'must be a mapping'],
    ['an unknown alias', 'services: *claims\n', 'services.yaml'],
  ] as const)
    it(`keeps everything and says where when the file holds ${what}`, async () => {
      await writeFile(path, one);
      const seen = watching(registry());
      const first = await seen.report(holds('10.0.0.7:3000'));
      await writeFile(path, text);
      const second = await seen.report(({ problems }) => problems.length > 0);
      expect(second.registrations).to.equal(first.registrations);
      expect(second.problems[0]?.code).to.equal('registry_unreadable');
      expect(second.problems[0]?.message).to.include(place);
      expect(seen.hearing.value.state).to.equal('lost');
      await writeFile(path, one);
      await seen.report(({ problems }) => problems.length === 0);
      await seen.hearing.when(({ state }) => state === 'heard');
    });

  it('writes an entry without touching the rest of the file', async () => {
    await writeFile(path, commented);
    const fileRegistry = registry();
    const seen = watching(fileRegistry);
    const unchanged = await fileRegistry.put(claims());
    expect(unchanged.ok && unchanged.value.change).to.equal('unchanged');
    const replaced = await fileRegistry.put(claims({ version: '2.2.0' }));
    expect(replaced.ok && replaced.value.change).to.equal('replaced');
    expect(await readFile(path, 'utf8')).to.equal(commented.replace('2.1.0', '2.2.0'));
    await fileRegistry.put({ name: 'vessels', version: '0.1.0', url: 'http://10.0.0.9:3000/mcp' });
    expect(await readFile(path, 'utf8')).to.equal(
      commented.replace('2.1.0', '2.2.0') +
        '  - name: vessels\n    version: 0.1.0\n    url: http://10.0.0.9:3000/mcp\n',
    );
    await seen.report(holds('10.0.0.7:3000', '10.0.0.8:3000', '10.0.0.9:3000'));
  });

  it('removes one instance or a whole service, and says what is not there', async () => {
    await writeFile(path, commented);
    const fileRegistry = registry();
    const seen = watching(fileRegistry);
    const absent = await fileRegistry.remove('claims', '10.0.0.1:1');
    expect(!absent.ok && absent.problems[0]?.code).to.equal('not_found');
    const removed = await fileRegistry.remove('claims', '10.0.0.7:3000');
    expect(removed).to.deep.equal({ ok: true, value: ['10.0.0.7:3000'] });
    await seen.report(holds('10.0.0.8:3000'));
    await fileRegistry.remove('policies');
    await seen.report(holds());
    expect(await readFile(path, 'utf8')).to.include('# The marine fleet');
  });

  it('makes the file for the first entry', async () => {
    const at = join(folder, 'new', 'services.yaml');
    await registry(at).put(claims());
    expect(await readFile(at, 'utf8')).to.equal(
      'services:\n  - name: claims\n    version: 2.1.0\n    url: http://10.0.0.7:3000/mcp\n',
    );
  });

  it('loses no write of many at once', async () => {
    const fileRegistry = registry();
    const seen = watching(fileRegistry);
    const numbers = Array.from({ length: 20 }, (_, index) => index + 10);
    const urls = numbers.map((number) => `http://10.0.0.${number}:3000/mcp`);
    await Promise.all(urls.map(async (url) => fileRegistry.put(claims({ url }))));
    await seen.report(({ registrations }) => registrations.length === numbers.length);
  });

  it('writes nothing into a file it cannot read, and nothing that is wrong', async () => {
    await writeFile(path, 'services: [');
    const fileRegistry = registry();
    const unreadable = await fileRegistry.put(claims());
    expect(!unreadable.ok && unreadable.problems[0]?.code).to.equal('registry_unreadable');
    expect(await readFile(path, 'utf8')).to.equal('services: [');
    const wrong = await fileRegistry.put(claims({ weight: 0, era: 'old' }));
    expect(!wrong.ok && wrong.problems.map(({ subject }) => subject.path)).to.deep.equal([
      'era',
      'weight',
    ]);
  });
});
