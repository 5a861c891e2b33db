import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { silentLog } from '../../../src/log.js';
import { SnapshotStore } from '../../../src/snapshot/store.js';
import { assignment, edsCluster, snapshotOf } from './messages.js';

describe('store', () => {
  let folder: string;
  let store: SnapshotStore;
  const snapshot = snapshotOf({ cluster: [edsCluster('a')], endpoint: [assignment('a')] });

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'mcpx-store-'));
    store = new SnapshotStore(folder, silentLog);
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('gives after a restart what it kept, with equal versions (point 15)', async () => {
    await store.save(snapshot);
    expect(await new SnapshotStore(folder, silentLog).load()).to.deep.equal(snapshot);
  });

  it('knows nothing at the very first start', async () => {
    expect(await store.load()).to.equal(undefined);
  });

  it('keeps the newest of snapshots that come at once, and no other file', async () => {
    const saves = [0, 1, 2, 3].map((mark) =>
      store.save(snapshotOf({ cluster: [edsCluster('a', mark)] })),
    );
    await Promise.all(saves);
    const kept = await store.load();
    expect(kept).to.deep.equal(snapshotOf({ cluster: [edsCluster('a', 3)] }));
    expect(await readdir(folder)).to.have.length(1);
  });

  it('makes its folder when there is none', async () => {
    const deep = new SnapshotStore(path.join(folder, 'data'), silentLog);
    await deep.save(snapshot);
    expect(await deep.load()).to.deep.equal(snapshot);
  });

  const damages: readonly [string, (text: string) => string][] = [
    ['that is cut off', (text) => text.slice(0, 50)],
    ['that is empty', () => ''],
    ['of another format', (text) => text.replace('"format":1', '"format":0')],
    ['whose bytes were changed', (text) => text.replace(/"a","../, '"a","AA')],
    ['that lacks a kind', (text) => text.replace('"endpoint"', '"endpoints"')],
  ];
  for (const [what, damage] of damages) {
    it(`ignores a file ${what}`, async () => {
      await store.save(snapshot);
      const [name = ''] = await readdir(folder);
      const file = path.join(folder, name);
      await writeFile(file, damage(await readFile(file, 'utf8')));
      expect(await store.load()).to.equal(undefined);
    });
  }

  it('does not fail the caller when the folder cannot be written', async () => {
    const file = path.join(folder, 'file');
    await writeFile(file, '');
    await new SnapshotStore(path.join(file, 'below'), silentLog).save(snapshot);
  });
});
