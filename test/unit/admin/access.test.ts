import { expect } from 'chai';
import { Writable } from 'node:stream';
import { readFileSync } from 'node:fs';
import { pino } from 'pino';
import { createHash } from 'node:crypto';
import { recognise } from '../../../src/admin/authentication.js';
import { roles, suffices, type Role } from '../../../src/admin/roles.js';
import { routeTable } from '../../../src/admin/table.js';
import { Readiness } from '../../../src/admin/readiness.js';
import { watchCatalogue } from '../../../src/mcp/catalogue.js';
import { silentLog } from '../../../src/log.js';
import { optionsFor, serviceOf, startOn, stateOf, stopAll } from './stage.js';

/** The least each route takes: what is added to the table has to be added here too. */
const wanted: Readonly<Record<string, Role>> = {
  'get /': 'viewer',
  'get /v1/services': 'viewer',
  'get /v1/services/{name}': 'viewer',
  'post /v1/services': 'operator',
  'delete /v1/services/{name}': 'operator',
  'delete /v1/services/{name}/instances/{id}': 'operator',
  'get /v1/services/{name}/rollout': 'viewer',
  'post /v1/services/{name}/rollout': 'operator',
  'post /v1/services/{name}/rollout/{action}': 'operator',
  'get /v1/services/{name}/rollouts': 'viewer',
  'get /v1/tools': 'viewer',
  'get /v1/problems': 'viewer',
  'get /v1/nodes': 'viewer',
  'get /v1/nodes/{id}': 'viewer',
  'get /v1/registries': 'viewer',
  'post /v1/registries/{source}/accept': 'operator',
  'post /v1/plan': 'viewer',
  'get /v1/certificates': 'viewer',
  'post /v1/certificates/people': 'admin',
  'post /v1/certificates/rotate': 'admin',
  'get /v1/audit': 'admin',
  'post /v1/join-tokens': 'admin',
  'get /v1/exposed': 'node',
  'get /healthz': 'anybody',
  'get /readyz': 'anybody',
  'get /metrics': 'viewer',
  'get /openapi.json': 'anybody',
};

const tokenOf = (role: Role): string => `mcpxa_token-of-${role}`;
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

const access = {
  open: false,
  trustDomain: 'mcpx',
  tokens: roles
    .filter((role) => role !== 'anybody')
    .map((role) => ({
      ...{ name: `a ${role}`, role },
      sha256: createHash('sha256').update(tokenOf(role)).digest('hex'),
    })),
};

function tableOf() {
  const state = stateOf();
  const { audit } = optionsFor();
  const closing = new AbortController().signal;
  const readiness = new Readiness(state);
  return routeTable({ state, readiness, audit, log: silentLog, closing, keepAliveMs: 1_000 });
}

const table = tableOf();
const keyOf = ({ method, path }: { method: string; path: string }) => `${method} ${path}`;

describe('the doors of the admin API', () => {
  afterEach(stopAll);

  it('are all known, each with the least it takes', () => {
    const found = Object.fromEntries(table.map((route) => [keyOf(route), route.role]));
    expect(found).to.deep.equal(wanted);
  });

  for (const held of roles)
    it(`let in ${held} where that is enough, and nowhere else`, async () => {
      const state = stateOf([serviceOf('claims')]);
      const url = await startOn(state, { access });
      for (const route of table) {
        const path = route.path.replace('{source}', 'file').replace(/\{\w+\}/g, 'claims');
        const type = { 'content-type': 'application/json' };
        const answer = await fetch(`${url}${path}`, {
          method: route.method.toUpperCase(),
          headers: { ...type, ...(held !== 'anybody' && bearer(tokenOf(held))) },
          ...(route.request && { body: '{}' }),
        });
        await answer.body?.cancel();
        const refused = held === 'anybody' ? 401 : 403;
        const enough = suffices(held, route.role);
        const what = `${keyOf(route)}: ${answer.status}`;
        if (enough) expect([401, 403], what).not.to.include(answer.status);
        else expect(answer.status, what).to.equal(refused);
      }
    });

  it('are the same however a path is written', async () => {
    const url = await startOn(stateOf(), { access });
    for (const path of ['/V1/SERVICES', '/v1/services/', '/v1//services', '/v1/%73ervices'])
      expect((await fetch(`${url}${path}`)).status, path).to.be.oneOf([401, 404]);
    expect((await fetch(`${url}/v1/services`, { method: 'HEAD' })).status).to.equal(401);
  });

  const wrong: Readonly<Record<string, string>> = {
    'no token of ours': 'Bearer mcpxa_nobody',
    'a part of a token': `Bearer ${tokenOf('admin').slice(0, -1)}`,
    'a token and more': `Bearer ${tokenOf('admin')}x`,
    'the digest of a token': `Bearer ${access.tokens[0]?.sha256 ?? ''}`,
    'two words': 'Bearer mcpxa_one two',
    'another scheme': `Digest ${tokenOf('admin')}`,
    'the bare token': tokenOf('admin'),
  };
  for (const [what, authorization] of Object.entries(wrong))
    it(`refuse ${what}, in words and counted, also where anybody may look`, async () => {
      const state = stateOf();
      const url = await startOn(state, { access });
      for (const path of ['/v1/services', '/healthz']) {
        const answer = await fetch(`${url}${path}`, { headers: { authorization } });
        expect(answer.status).to.equal(401);
        expect(answer.headers.get('www-authenticate')).to.match(/^Bearer /);
        expect(await answer.text())
          .to.match(/token/i)
          .and.not.contain(authorization.slice(9));
      }
      expect(await state.metrics.text()).to.contain('mcpx_admin_refused_total{reason="token"} 2');
    });

  it('say what is missing, and count it, from zero', async () => {
    const state = stateOf();
    const url = await startOn(state, { access });
    const counted = async () =>
      /refused_total\{reason="(\w+)"\} [1-9]/.exec(await state.metrics.text());
    expect(await counted()).to.equal(null);
    const none = await fetch(`${url}/v1/services`);
    expect(await none.text())
      .to.contain('MCPX_ADMIN_TOKEN')
      .and.contain('mcpx token');
    expect((await counted())?.[1]).to.equal('credentials');
    const little = await fetch(`${url}/v1/audit`, { headers: bearer(tokenOf('viewer')) });
    expect(await little.text()).to.contain('a viewer is viewer here, and this takes admin');
    expect(await state.metrics.text()).to.contain('mcpx_admin_refused_total{reason="role"} 1');
  });

  it('believe no header that imitates somebody', async () => {
    const { audit } = optionsFor();
    const url = await startOn(stateOf(), { access, audit });
    const forged = {
      'x-mcpx-user': 'root',
      'x-forwarded-for': '203.0.113.9',
      'x-real-ip': '203.0.113.9',
      forwarded: 'for=203.0.113.9',
      'x-forwarded-client-cert': 'URI=spiffe://mcpx/admin/ana',
      'x-forwarded-user': 'root',
    };
    const path = `${url}/v1/services/claims`;
    expect((await fetch(path, { method: 'DELETE', headers: forged })).status).to.equal(401);
    const headers = { ...forged, ...bearer(tokenOf('operator')) };
    expect((await fetch(path, { method: 'DELETE', headers })).status).to.equal(404);
    const written = readFileSync(audit.path, 'utf8');
    expect(written).not.to.match(/root|203\.0\.113|ana/);
    expect(written).to.contain('"who":"a operator"').and.contain('"from":"127.0.0.1"');
  });

  it('take the name people give themselves only where nobody is asked', async () => {
    const { audit } = optionsFor();
    const url = await startOn(stateOf(), { audit });
    const headers = { 'x-mcpx-user': 'ana' };
    await fetch(`${url}/v1/services/claims`, { method: 'DELETE', headers });
    expect(readFileSync(audit.path, 'utf8')).to.contain('"who":"ana","role":"admin"');
  });

  it('tell no token to anybody: not in answers, not in the log, not in the audit log', async () => {
    const said: string[] = [];
    const sink = new Writable({
      write(chunk: Buffer, _, done) {
        said.push(chunk.toString());
        done();
      },
    });
    const options = optionsFor({ access, log: pino({ level: 'trace' }, sink) });
    const url = await startOn(stateOf(), options);
    for (const token of [tokenOf('viewer'), tokenOf('admin'), 'mcpxa_forged'])
      for (const path of ['/v1/services/claims', '/v1/audit', '/nowhere']) {
        const init = { method: 'DELETE', headers: bearer(token) };
        said.push(await (await fetch(`${url}${path}`, init)).text());
        said.push(await (await fetch(`${url}${path}`, { headers: bearer(token) })).text());
      }
    said.push(readFileSync(options.audit.path, 'utf8'));
    expect(said.join(''))
      .to.contain('a viewer')
      .and.not.match(/mcpxa_/);
  });

  it('ask a browser for a token as the password, which counts for looking only', async () => {
    const url = await startOn(stateOf(), { access });
    const looking = await fetch(url, { headers: { accept: 'text/html' } });
    expect(looking.status).to.equal(401);
    expect(looking.headers.get('www-authenticate')).to.contain('Basic realm=');
    expect((await fetch(url)).headers.get('www-authenticate')).not.to.contain('Basic');
    const authorization = `Basic ${Buffer.from(`any:${tokenOf('admin')}`).toString('base64')}`;
    const page = await fetch(url, { headers: { authorization } });
    expect(await page.text()).to.contain('<h1>MCPX');
    const write = { method: 'DELETE', headers: { authorization } };
    expect((await fetch(`${url}/v1/services/claims`, write)).status).to.equal(401);
  });

  it('are shut to a certificate that is revoked, whatever token comes with it', () => {
    const revoked = new Map([['spiffe://mcpx/operator/ana', 500]]);
    const shown = { method: 'GET', authorization: `Bearer ${tokenOf('admin')}`, user: '', now: 0 };
    const enteredAs = (name: string, issuedAt: number) => {
      const id = `spiffe://mcpx/operator/${name}`;
      const certificate = { distrust: undefined, id, issuedAt, expiresAt: 1_000 };
      return recognise({ ...access, revoked }, { ...shown, certificate });
    };
    expect(enteredAs('ana', 499)).to.have.property('refusal', 'certificate');
    for (const [name, issuedAt] of [
      ['ana', 500],
      ['bob', 499],
    ] as const)
      expect(enteredAs(name, issuedAt)).to.have.property('caller');
  });

  it('let the filter service follow by its own token, and by no other', async () => {
    const url = await startOn(stateOf([serviceOf('claims')]), { access });
    const heard = watchCatalogue([url], silentLog, () => ({ token: tokenOf('node') }));
    const state = await heard.state.when(({ services }) => services.has('claims'));
    heard.close();
    expect(state.services.size).to.equal(1);
    const node = { headers: bearer(tokenOf('node')) };
    expect((await fetch(`${url}/v1/tools`, node)).status).to.equal(403);
  });

  it('are described: how one shows who one is, and what each route takes', async () => {
    const url = await startOn(stateOf(), { access });
    type Operation = { security: object[]; 'x-mcpx-role'?: string; responses: object };
    const told = (await (await fetch(`${url}/openapi.json`)).json()) as {
      paths: Record<string, Record<string, Operation>>;
      components: { securitySchemes: object };
    };
    expect(told.components.securitySchemes).to.have.keys('token', 'certificate', 'browser');
    for (const [key, role] of Object.entries(wanted)) {
      const [method = '', path = ''] = key.split(' ');
      const operation = told.paths[path]?.[method];
      if (role === 'anybody') expect(operation?.security, key).to.deep.equal([]);
      else {
        expect(operation?.['x-mcpx-role'], key).to.equal(role);
        expect(operation?.security, key).to.deep.include({ token: [] });
        expect(operation?.responses, key).to.include.keys('401', '403');
      }
    }
  });
});
