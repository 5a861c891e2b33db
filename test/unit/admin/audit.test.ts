import { expect } from 'chai';
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AuditLog, type AuditLine } from '../../../src/admin/audit.js';
import { isWrite } from '../../../src/admin/door.js';
import { Readiness } from '../../../src/admin/readiness.js';
import { routeTable } from '../../../src/admin/table.js';
import { systemClock } from '../../../src/clock.js';
import { succeeded } from '../../../src/errors.js';
import { Latest } from '../../../src/latest.js';
import { silentLog } from '../../../src/log.js';
import { registration } from '../fleet/registered.js';
import { optionsFor, serviceOf, startOn, stateOf, stopAll } from './stage.js';

const claims = { name: 'claims', version: '2.1.0', url: 'http://127.0.0.1:3000/mcp' };
const canary = { kind: 'canary', to: '1.1.0', acceptBreaking: true };
const json = { 'content-type': 'application/json' };

const linesIn = (log: AuditLog): AuditLine[] =>
  readFileSync(log.path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as AuditLine);

type State = ReturnType<typeof stateOf>;

interface Write {
  readonly path: string;
  readonly body?: object;
  /** What must be there before. */
  readonly prepare?: (url: string, state: State) => unknown;
  readonly subject: object;
}

const post = (url: string, body: object) =>
  fetch(url, { method: 'POST', headers: json, body: JSON.stringify(body) });
const registerClaims = (url: string) => post(`${url}/v1/services`, claims);
const held = { registrations: [registration({})], until: undefined, loss: undefined };

function stageClaims(_: string, state: State): void {
  const service = serviceOf('claims');
  const [instance] = service.instances;
  const next = { ...instance, id: 'two', version: '1.1.0' } as (typeof service.instances)[number];
  state.fleet.set({ services: [{ ...service, instances: [...service.instances, next] }] });
}

/** A call of each write that succeeds: one that is added to the table is added here too. */
const writes: Readonly<Record<string, Write>> = {
  'post /v1/services': { path: '/v1/services', body: claims, subject: { service: 'claims' } },
  'delete /v1/services/{name}': {
    ...{ path: '/v1/services/claims', prepare: registerClaims },
    subject: { service: 'claims' },
  },
  'delete /v1/services/{name}/instances/{id}': {
    ...{ path: '/v1/services/claims/instances/127.0.0.1:3000', prepare: registerClaims },
    subject: { service: 'claims', instance: '127.0.0.1:3000' },
  },
  'post /v1/services/{name}/rollout': {
    ...{ path: '/v1/services/claims/rollout', body: canary },
    ...{ prepare: stageClaims, subject: { service: 'claims' } },
  },
  'post /v1/services/{name}/rollout/{action}': {
    ...{ path: '/v1/services/claims/rollout/pause', body: { why: 'lunch' } },
    async prepare(url, state) {
      stageClaims(url, state);
      await post(`${url}/v1/services/claims/rollout`, canary);
    },
    subject: { service: 'claims' },
  },
  'post /v1/registries/{source}/accept': {
    path: '/v1/registries/file/accept',
    prepare: (_, state) => state.heldNow.set(held as never),
    subject: { source: 'file' },
  },
  'post /v1/certificates/rotate': {
    ...{ path: '/v1/certificates/rotate', body: { now: true } },
    subject: { authority: 'roots' },
  },
  'post /v1/certificates/people': {
    ...{ path: '/v1/certificates/people', subject: { id: 'spiffe://mcpx/viewer/ana' } },
    body: { role: 'viewer', name: 'ana', request: 'PEM' },
  },
  'post /v1/join-tokens': {
    ...{ path: '/v1/join-tokens', body: { role: 'edge' } },
    subject: { id: 'spiffe://mcpx/edge' },
  },
};

const mintJoinToken = () => ({
  ok: true as const,
  value: { token: 'mcpx1.secret.mac', id: 'spiffe://mcpx/edge', expiresAt: Date.now() + 60_000 },
});

/** One root, and after a rotation another. */
function rotating() {
  const root = { since: 0, until: undefined, expiresAt: 0, certificate: 'PEM' };
  let roots = [{ ...root, fingerprint: 'one', state: 'signing' as const }];
  return {
    list: () => roots,
    roots: new Latest('PEM'),
    spiffeIdOf: (workload: string) => `spiffe://mcpx/${workload}`,
    signRequest: () => Promise.resolve(succeeded({ chain: 'PEM', notBefore: 0, expiresAt: 1 })),
    rotate() {
      roots = [{ ...root, fingerprint: 'two', state: 'signing' as const }];
      return Promise.resolve({ ok: true as const, value: roots });
    },
  };
}

function started() {
  const authority = rotating();
  const certificates = { authority, issuer: 'builtin', material: { value: {} } };
  const state = { ...stateOf(), mintJoinToken, certificates } as never as State;
  const options = optionsFor();
  return { state, audit: options.audit, url: startOn(state, options) };
}

describe('the audit log', () => {
  afterEach(stopAll);

  it('is tried with every write there is', () => {
    const { audit } = optionsFor();
    const state = stateOf();
    const readiness = new Readiness(state);
    const closing = new AbortController().signal;
    const parts = { state, readiness, audit, log: silentLog, closing, keepAliveMs: 1_000 };
    const found = routeTable(parts).filter((route) => isWrite(route, {}));
    expect(Object.keys(writes)).to.have.members(
      found.map(({ method, path }) => `${method} ${path}`),
    );
  });

  for (const [key, { path, body, prepare, subject }] of Object.entries(writes))
    it(`has two lines of ${key}: as it was begun, and what it changed`, async () => {
      const { state, audit, url: starting } = started();
      const url = await starting;
      await prepare?.(url, state);
      const method = key.split(' ')[0]?.toUpperCase() ?? '';
      const headers = { ...json, 'x-mcpx-user': 'ana' };
      const init = { method, headers, ...(body && { body: JSON.stringify(body) }) };
      const answer = await fetch(`${url}${path}`, init);
      expect(answer.ok, await answer.text()).to.be.true;
      const lines = linesIn(audit).filter(({ who }) => who === 'ana');
      expect(lines.map(({ outcome }) => outcome)).to.deep.equal(['begun', 'done']);
      const [begun, done] = lines;
      expect(done).to.deep.include({
        ...{ id: begun?.id, who: 'ana', role: 'admin', from: '127.0.0.1' },
        what: `${method} ${path}`,
      });
      expect(done?.subject).to.include(subject);
      expect(done?.before, 'before').not.to.equal(undefined);
      expect(done?.after, 'after').not.to.equal(undefined);
      expect(done?.before).not.to.deep.equal(done?.after);
      expect(readFileSync(audit.path, 'utf8')).not.to.contain('mcpx1.');
    });

  it('tells from what to what a registration changed', async () => {
    const { audit, url } = started();
    await registerClaims(await url);
    await post(`${await url}/v1/services`, { ...claims, version: '2.2.0', weight: 7 });
    const { before, after } = linesIn(audit).at(-1) ?? {};
    expect(before).to.include({ version: '2.1.0', weight: 100, host: '127.0.0.1' });
    expect(after).to.include({ version: '2.2.0', weight: 7, host: '127.0.0.1' });
  });

  it('has a line of a write that failed, with why; a dry run has none', async () => {
    const { audit, url } = started();
    await fetch(`${await url}/v1/registries/file/accept?dryRun=true`, { method: 'POST' });
    await post(`${await url}/v1/plan`, { services: [] });
    await post(`${await url}/v1/services`, { name: 'claims' });
    const lines = linesIn(audit);
    expect(lines.map(({ outcome, status }) => [outcome, status])).to.deep.equal([
      ['begun', undefined],
      ['failed', 422],
    ]);
    expect(lines[1]?.reason).to.contain('version');
  });

  it('takes no dry run for one where a route knows none', async () => {
    const { audit, url } = started();
    await post(`${await url}/v1/services?dryRun=true`, claims);
    expect(linesIn(audit).at(-1)?.outcome).to.equal('done');
  });

  it('that cannot be written lets nothing be written, and lets everything be seen', async () => {
    const { state, audit, url } = started();
    mkdirSync(audit.path);
    const refused = await registerClaims(await url);
    expect(refused.status).to.equal(503);
    expect(await refused.text())
      .to.contain('audit_unavailable')
      .and.contain(audit.path);
    expect(state.fleet.value.services).to.deep.equal([]);
    expect((await fetch(`${await url}/v1/services`)).status).to.equal(200);
    expect(await state.metrics.text()).to.contain('mcpx_admin_refused_total{reason="audit"} 1');
    rmSync(audit.path, { recursive: true });
    expect((await registerClaims(await url)).status).to.equal(201);
  });

  it('on a full disk lets nothing be written', async () => {
    const { state } = started();
    const audit = new AuditLog('/dev/full', systemClock, silentLog);
    const url = await startOn(state, { audit });
    const refused = await registerClaims(url);
    expect(refused.status).to.equal(503);
    expect(await refused.text()).to.contain('ENOSPC');
    expect(state.fleet.value.services).to.deep.equal([]);
  });

  it('is for its owner only, and made where it is not', async () => {
    const folder = join(dirname(optionsFor().audit.path), 'not', 'there');
    const audit = new AuditLog(join(folder, 'audit.jsonl'), systemClock, silentLog);
    const entry = {
      id: '1',
      who: 'ana',
      role: 'admin',
      from: '',
      what: 'x',
      outcome: 'done',
    } as const;
    expect((await audit.write(entry)).ok).to.be.true;
    expect(statSync(audit.path).mode & 0o777).to.equal(0o600);
  });

  const entry = { who: 'ana', role: 'admin', from: '', what: 'x', outcome: 'done' } as const;

  it('only grows, over restarts and with several writers, and goes on once moved', async () => {
    const { audit } = optionsFor();
    const { path } = audit;
    await audit.write({ ...entry, id: '1' });
    const before = readFileSync(path, 'utf8');
    const again = new AuditLog(path, systemClock, silentLog);
    const ids = ['2', '3', '4', '5', '6'];
    await Promise.all(ids.map((id, index) => (index % 2 ? audit : again).write({ ...entry, id })));
    expect(readFileSync(path, 'utf8').startsWith(before)).to.be.true;
    expect(
      linesIn(audit)
        .map(({ id }) => id)
        .sort(),
    ).to.deep.equal(['1', ...ids]);
    renameSync(path, `${path}.1`);
    await audit.write({ ...entry, id: '7' });
    expect(linesIn(audit).map(({ id }) => id)).to.deep.equal(['7']);
  });

  it('keeps a line apart from one that was torn by a full disk', async () => {
    const { audit } = optionsFor();
    writeFileSync(audit.path, '{"at":"2026-01-01T00:00:00Z","id":"to');
    await audit.write({ ...entry, id: '2' });
    const [torn, whole] = readFileSync(audit.path, 'utf8').split('\n');
    expect(torn).to.match(/"to$/);
    expect(JSON.parse(whole ?? '')).to.include({ id: '2' });
  });

  it('keeps a line short, whatever was sent', async () => {
    const { audit } = optionsFor();
    const after = { text: 'x'.repeat(100_000) };
    await audit.write({ ...entry, id: '1', subject: {}, before: null, after });
    const text = readFileSync(audit.path, 'utf8');
    expect(text.length).to.be.below(2_000);
    expect(linesIn(audit)[0]?.after).to.include({ bytes: 100_011 });
  });

  it('cannot be filled by those who are refused: it says how many more there were', async () => {
    let now = 0;
    const { path } = optionsFor().audit;
    const audit = new AuditLog(path, { now: () => now }, silentLog);
    const refused = { ...entry, outcome: 'refused' } as const;
    for (let id = 0; id < 1_000; id++) await audit.refused({ ...refused, id: String(id) });
    expect(linesIn(audit)).to.have.lengthOf(60);
    now = 60_000;
    await audit.refused({ ...refused, id: 'later' });
    expect(linesIn(audit).at(-1)).to.include({ id: 'later', unwritten: 940 });
  });
});
