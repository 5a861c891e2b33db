import { mkdtempSync, mkdirSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { stringify } from 'yaml';
import { adminOptionsOf, auditLogOf } from '../../../src/admin/access.js';
import { localTokens } from '../../../src/admin_client/local_token.js';
import { readConfig } from '../../../src/config.js';
import { silentLog } from '../../../src/log.js';
import { authority, issue } from '../../wire/certificates.js';
import { serviceOf, startOn, stateOf, stopAll } from '../admin/stage.js';
import { mcpx } from './stage.js';

/** With identity on, loopback makes nobody admin; who may read the data folder needs nothing. */
describe('the command line beside its control plane, with identity on', () => {
  let home = '';
  let data = '';
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'mcpx-local-'));
    data = join(home, 'data');
  });
  afterEach(async () => {
    await stopAll();
    rmSync(home, { recursive: true });
  });

  const localTokenOf = (folder: string): string => {
    const tokens = localTokens(folder);
    if (!tokens.ok) throw new Error(tokens.problems[0]?.message);
    return tokens.value('cli');
  };

  /** On loopback, asked as its configuration says; the file of its audit log beside it. */
  async function controlPlane() {
    const flags = { data, identity: { mode: 'mutual' } };
    const config = readConfig({ env: {}, cwd: home, flags });
    if (!config.ok) throw new Error(config.problems[0]?.message);
    const audit = auditLogOf(config.value, silentLog);
    const parts = { config: config.value, tls: undefined, log: silentLog };
    const options = adminOptionsOf(parts, audit);
    if (!options.ok) throw new Error(options.problems[0]?.message);
    const { access } = options.value;
    const url = await startOn(stateOf([serviceOf('claims')]), { access, audit });
    return { url, audit: () => readFileSync(audit.path, 'utf8') };
  }

  it('nobody without a token gets in, whatever they call themselves', async () => {
    const { url } = await controlPlane();
    const headers = { 'x-mcpx-user': 'root', 'content-type': 'application/json' };
    const status = async (method: string, path: string, body?: string) =>
      (await fetch(url + path, { method, headers, ...(body && { body }) })).status;
    expect(await status('POST', '/v1/join-tokens', '{"role":"edge"}')).to.equal(401);
    expect(await status('POST', '/v1/certificates/rotate', '{"now":true}')).to.equal(401);
    expect(await status('GET', '/v1/services')).to.equal(401);
    expect(await status('GET', '/metrics')).to.equal(401);
    expect(await status('GET', '/healthz')).to.equal(200);
  });

  it('the user of the control plane is admin, and stands in the audit log as local', async () => {
    const { url, audit } = await controlPlane();
    const env = { MCPX_DATA: data };
    expect((await mcpx(['audit', '--admin', url], { env })).exitCode).to.equal(0);
    const words = ['service', 'register', 'ledger', '--url', 'http://127.0.0.1:3000/mcp'];
    const flags = ['--version', '1.0.0', '--admin', url];
    expect((await mcpx([...words, ...flags], { env })).exitCode).to.equal(0);
    expect(audit()).to.contain('"who":"local"').and.contain('"role":"admin"');
  });

  it('whoever has another data folder is refused, and told what to do', async () => {
    const { url } = await controlPlane();
    const other = join(home, 'other');
    localTokenOf(other);
    const { exitCode, err } = await mcpx(['tools', '--admin', url], { env: { MCPX_DATA: other } });
    expect(exitCode).to.equal(1);
    expect(err).to.contain('not one of admin.tokens').and.contain('its configuration');
    expect(err).not.to.contain(localTokenOf(other));
  });

  it('whoever cannot read the key is told of it, and no key is made', async () => {
    const { url } = await controlPlane();
    const absent = join(home, 'absent');
    const without = await mcpx(['tools', '--admin', url], { env: { MCPX_DATA: absent } });
    expect(without.err)
      .to.contain('MCPX_ADMIN_TOKEN')
      .and.contain('as the user of the control plane');
    expect(existsSync(absent)).to.equal(false);
    const unreadable = join(home, 'unreadable');
    mkdirSync(join(unreadable, 'admin.key'), { recursive: true });
    const refused = await mcpx(['tools', '--admin', url], { env: { MCPX_DATA: unreadable } });
    expect([refused.exitCode, refused.err]).to.deep.equal([1, without.err]);
  });
});

describe('the token of this machine', () => {
  let home = '';
  let server: Server;
  let port = 0;
  let shown: (string | undefined)[] = [];
  let ours = '';
  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), 'mcpx-local-'));
    const tokens = localTokens(join(home, '.mcpx'));
    if (!tokens.ok) throw new Error(tokens.problems[0]?.message);
    ours = `Bearer ${tokens.value('cli')}`;
    shown = [];
    server = createServer(({ headers }, response) => {
      shown.push(headers.authorization);
      response.end('{"tools": []}');
    }).listen(0, '127.0.0.1');
    await new Promise((ready) => server.once('listening', ready));
    port = (server.address() as AddressInfo).port;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
    rmSync(home, { recursive: true });
  });

  const list = async (words: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    await mcpx(['tools', ...words], { cwd: home, env });
    return shown;
  };

  it('is shown to the admin API of this configuration', async () => {
    expect(await list([], { MCPX_ADMIN_PORT: String(port) })).to.deep.equal([ours]);
  });

  it('is shown to another port of this machine, where `--admin-port` may have put it', async () => {
    expect(await list(['--admin', `localhost:${port}`])).to.deep.equal([ours]);
  });

  // To whoever connects 0.0.0.0 is this machine, and no name of ours for it.
  it('is shown to no other host', async () => {
    expect(await list(['--admin', `0.0.0.0:${port}`])).to.deep.equal([undefined]);
    expect(await list([], { MCPX_ADMIN_URL: `http://0.0.0.0:${port}` })).to.have.lengthOf(2);
    expect(shown).to.deep.equal([undefined, undefined]);
  });

  // `0` is 0.0.0.0 too, and no loopback by its name.
  it('is shown to another host where the configuration puts the admin API there', async () => {
    const tokens = JSON.stringify([{ name: 'ana', role: 'viewer', sha256: 'a'.repeat(64) }]);
    const there = { MCPX_ADMIN_HOST: '0', MCPX_ADMIN_PORT: String(port) };
    const env = { ...there, MCPX_ADMIN_TOKENS: tokens, MCPX_IDENTITY_MODE: 'off' };
    expect(await list([], env)).to.deep.equal([ours]);
  });

  it('is shown to no other environment, even at the near end of a tunnel', async () => {
    const environments = { staging: { admin: `http://127.0.0.1:${port}` } };
    writeFileSync(join(home, 'mcpx.yaml'), stringify({ environments }));
    expect(await list(['--env', 'staging'])).to.deep.equal([undefined]);
  });

  it('is not shown beside what somebody was given', async () => {
    const env = { MCPX_ADMIN_PORT: String(port) };
    await list([], { ...env, MCPX_ADMIN_TOKEN: 'given' });
    const { cert, key } = issue(authority(), { uris: ['spiffe://mcpx/viewer/ana'] });
    writeFileSync(join(home, 'ana.pem'), cert);
    writeFileSync(join(home, 'ana-key.pem'), key);
    const certificate = { MCPX_ADMIN_CERTIFICATE: 'ana.pem', MCPX_ADMIN_KEY: 'ana-key.pem' };
    await list([], { ...env, ...certificate });
    expect(shown).to.deep.equal(['Bearer given', undefined]);
  });
});
