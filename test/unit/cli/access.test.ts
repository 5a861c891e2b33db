import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { readConfig } from '../../../src/config.js';
import { Latest } from '../../../src/latest.js';
import { authority, issue } from '../../wire/certificates.js';
import { optionsFor, serviceOf, startOn, stateOf, stopAll } from '../admin/stage.js';
import { mcpx } from './stage.js';

const digestOf = (text: string) => createHash('sha256').update(text).digest('hex');

const accessFor = (token: string, role: 'viewer' | 'operator' | 'admin') => ({
  ...{ open: false, trustDomain: 'mcpx' },
  tokens: [{ name: 'ana', role, sha256: digestOf(token) }],
});

describe('mcpx token', () => {
  it('prints a token once, and the line for mcpx.yaml that knows it', async () => {
    const { exitCode, out, err } = await mcpx(['token', '--name', 'ana', '--role', 'operator']);
    expect(exitCode).to.equal(0);
    expect(out).to.match(/^mcpxa_[\w-]{43}$/);
    expect(err).not.to.contain(out);
    const yaml = parse(err.slice(err.indexOf('admin:'))) as { admin: object };
    const read = readConfig({ env: {}, cwd: '/nonexistent', flags: yaml });
    expect(read.ok && read.value.admin.tokens).to.deep.equal([
      { name: 'ana', role: 'operator', sha256: digestOf(out) },
    ]);
    const other = await mcpx(['token', '--name', 'ana', '--role', 'operator']);
    expect(other.out).not.to.equal(out);
  });

  it('prints both as JSON', async () => {
    const { out } = await mcpx(['token', '--name', 'ci', '--role', 'viewer', '--json']);
    const { token, entry } = JSON.parse(out) as { token: string; entry: object };
    expect(entry).to.deep.equal({ name: 'ci', role: 'viewer', sha256: digestOf(token) });
  });

  for (const words of [
    ['--name', 'ana'],
    ['--name', 'ana', '--role', 'king'],
    ['--role', 'viewer'],
    ['--name', 'a"b', '--role', 'viewer'],
  ])
    it(`refuses ${words.join(' ')}`, async () => {
      expect((await mcpx(['token', ...words])).exitCode).to.equal(2);
    });
});

describe('who the command line is to the admin API', () => {
  let folder = '';
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'mcpx-access-'))));
  afterEach(async () => {
    rmSync(folder, { recursive: true });
    await stopAll();
  });

  const kept = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };

  it('is said by the token in MCPX_ADMIN_TOKEN', async () => {
    const access = accessFor('secret-token', 'viewer');
    const words = [
      'service',
      'list',
      '--admin',
      await startOn(stateOf([serviceOf('claims')]), { access }),
    ];
    const unknown = await mcpx(words);
    expect(unknown.exitCode).to.equal(1);
    expect(unknown.err).to.contain('MCPX_ADMIN_TOKEN');
    const known = await mcpx(words, { env: { MCPX_ADMIN_TOKEN: 'secret-token' } });
    expect(known.out).to.contain('claims');
    const wrong = await mcpx(words, { env: { MCPX_ADMIN_TOKEN: 'other-token' } });
    expect(wrong.exitCode).to.equal(1);
    expect(wrong.err).to.contain('not one of admin.tokens').and.not.contain('other-token');
  });

  it('is too little for some commands, and they say so', async () => {
    const access = accessFor('secret-token', 'viewer');
    const url = await startOn(stateOf([serviceOf('claims')]), { access });
    const env = { MCPX_ADMIN_TOKEN: 'secret-token' };
    const { exitCode, err } = await mcpx(['service', 'remove', 'claims', '--admin', url], { env });
    expect(exitCode).to.equal(1);
    expect(err).to.contain('ana is viewer here, and this takes operator');
  });

  it('is said by a client certificate, to a control plane of its roots', async () => {
    const ours = authority();
    const own = issue(ours, { uris: ['spiffe://mcpx/control-plane'] });
    const access = { open: false, tokens: [], trustDomain: 'mcpx' };
    const tls = new Latest({ ...own, ca: ours.cert });
    const url = await startOn(stateOf([serviceOf('claims')]), { access, tls });
    const words = ['service', 'list', '--admin', url];
    const { cert, key } = issue(ours, { uris: ['spiffe://mcpx/viewer/ana'] });
    const certificate = {
      MCPX_ADMIN_CERTIFICATE: kept('ana.pem', cert),
      MCPX_ADMIN_KEY: kept('ana-key.pem', key),
    };
    const roots = { MCPX_ADMIN_ROOTS: kept('ours.pem', ours.cert) };
    expect((await mcpx(words, { env: { ...certificate, ...roots } })).out).to.contain('claims');
    expect((await mcpx(words, { env: roots })).err).to.contain('MCPX_ADMIN_TOKEN');
    const strangers = { MCPX_ADMIN_ROOTS: kept('others.pem', authority('others').cert) };
    const distrusted = await mcpx(words, { env: { ...certificate, ...strangers } });
    expect(distrusted.exitCode).to.equal(1);
    const half = { MCPX_ADMIN_KEY: certificate.MCPX_ADMIN_KEY };
    expect((await mcpx(words, { env: half })).exitCode).to.equal(2);
    const absent = { MCPX_ADMIN_ROOTS: join(folder, 'absent.pem') };
    expect((await mcpx(words, { env: absent })).err).to.contain('MCPX_ADMIN_ROOTS cannot be read');
  });

  it('believes the control plane of this machine by the roots in the data folder', async () => {
    const ours = authority();
    const own = issue(ours, { uris: ['spiffe://mcpx/control-plane'] });
    const access = accessFor('secret-token', 'viewer');
    const url = await startOn(stateOf([serviceOf('claims')]), {
      ...{ access, tls: new Latest({ ...own, ca: ours.cert }) },
    });
    kept('roots.pem', ours.cert);
    const env = { MCPX_ADMIN_TOKEN: 'secret-token', MCPX_DATA: folder };
    expect((await mcpx(['service', 'list', '--admin', url], { env })).out).to.contain('claims');
  });
});

describe('mcpx audit', () => {
  afterEach(stopAll);

  async function used(): Promise<string> {
    const { audit } = optionsFor();
    const url = await startOn(stateOf(), { audit });
    const claims = { name: 'claims', version: '2.1.0', url: 'http://127.0.0.1:3000/mcp' };
    const send = (method: string, path: string, body?: object) =>
      fetch(`${url}${path}`, {
        method,
        headers: { 'content-type': 'application/json', 'x-mcpx-user': 'ana' },
        ...(body && { body: JSON.stringify(body) }),
      });
    await send('POST', '/v1/services', claims);
    await send('POST', '/v1/services', { ...claims, weight: 7 });
    await send('DELETE', '/v1/services/policy');
    await send('DELETE', '/v1/services/claims');
    expect(readFileSync(audit.path, 'utf8').trimEnd().split('\n')).to.have.lengthOf(8);
    return url;
  }

  it('shows each write once: who, from where, what, and what it changed', async () => {
    const { out } = await mcpx(['audit', '--admin', await used()]);
    const lines = out.split('\n').slice(1);
    expect(lines).to.have.lengthOf(4);
    expect(lines[0]).to.match(
      /ana +admin +127\.0\.0\.1 +DELETE \/v1\/services\/claims +done .*removed/,
    );
    expect(lines[1]).to.match(/failed .*policy/);
    expect(lines[2]).to.contain('weight 100 → 7');
    expect(lines[3]).to.match(/done +claims .*: added/);
  });

  it('shows the newest, as many as asked for, and as JSON what there is', async () => {
    const url = await used();
    const { out } = await mcpx(['audit', '--json', '--limit', '2', '--admin', url]);
    const { lines } = JSON.parse(out) as { lines: { outcome: string }[] };
    expect(lines.map(({ outcome }) => outcome)).to.deep.equal(['done', 'begun']);
    expect((await mcpx(['audit', '--limit', 'all', '--admin', url])).exitCode).to.equal(1);
  });

  it('says so when nothing happened yet', async () => {
    const { exitCode, err } = await mcpx(['audit', '--admin', await startOn(stateOf())]);
    expect(exitCode).to.equal(0);
    expect(err).to.contain('Nothing was written');
  });
});
