import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  prepareFolder,
  readIdentity,
  writeIdentity,
} from '../../../src/admission/identity_files.js';

const identity = { chain: 'a chain\n', key: 'a key\n', roots: 'roots\n' };
const modeOf = (path: string): number => statSync(path).mode & 0o777;

describe('the identity of a node, as files', () => {
  let parent: string;
  let folder: string;

  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'mcpx-identity-'));
    folder = join(parent, 'node');
  });
  afterEach(() => rmSync(parent, { recursive: true, force: true }));

  it('is read as it was written', async () => {
    expect(await writeIdentity(folder, identity)).to.have.property('ok', true);
    expect(await readIdentity(folder)).to.deep.equal({ ok: true, value: identity });
  });

  it("is its owner's alone", async () => {
    await writeIdentity(folder, identity);
    expect(modeOf(folder)).to.equal(0o700);
    for (const file of readdirSync(folder)) expect(modeOf(join(folder, file))).to.equal(0o600);
  });

  it('is replaced file by file, and no half of one is ever seen', async () => {
    await writeIdentity(folder, identity);
    const before = statSync(join(folder, 'node.yaml')).ino;
    await writeIdentity(folder, { ...identity, key: 'another\n' });
    expect(statSync(join(folder, 'node.yaml')).ino).not.to.equal(before);
    expect(readdirSync(folder).sort()).to.deep.equal(['node.yaml', 'roots.yaml']);
  });

  it('is not there where nobody has joined, or joining was broken off', async () => {
    expect(await readIdentity(folder)).to.deep.equal({ ok: true, value: undefined });
    await writeIdentity(folder, identity);
    rmSync(join(folder, 'node.yaml'));
    expect(await readIdentity(folder)).to.deep.equal({ ok: true, value: undefined });
  });

  it('that somebody has spoilt is told in words, without the key', async () => {
    await writeIdentity(folder, identity);
    const path = join(folder, 'node.yaml');
    writeFileSync(path, readFileSync(path, 'utf8').replace('private_key', 'a key: [here'));
    const read = await readIdentity(folder);
    const [problem] = read.ok ? [] : read.problems;
    expect(problem?.message).to.contain(folder).and.contain('join anew').and.not.contain('a key');
  });

  it('cannot be kept where a file stands in the way, and says so', async () => {
    writeFileSync(folder, '');
    for (const outcome of [await prepareFolder(folder), await writeIdentity(folder, identity)]) {
      const [problem] = outcome.ok ? [] : outcome.problems;
      expect(problem?.message).to.contain(`${folder} cannot be written to`);
    }
  });
});
