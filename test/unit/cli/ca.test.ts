import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { AdminState } from '../../../src/admin/state.js';
import type { Material } from '../../../src/certificates/material.js';
import { succeeded } from '../../../src/errors.js';
import { Latest } from '../../../src/latest.js';
import { nodeOf, startOn, stateOf, stopAll } from '../admin/stage.js';
import { newKey } from '../../../src/admission/joining.js';
import { authorityWith, cleanUp, day, StandingClock, valueOf } from '../certificates/stage.js';
import { mcpx } from './stage.js';

async function stage(clock = new StandingClock()) {
  const authority = await authorityWith({ clock });
  const certificate = valueOf(await authority.issue('spiffe://mcpx/claims'));
  const material = new Latest<Material>({
    ...{ roots: authority.roots.value, certificates: new Map([['claims', certificate]]) },
    spiffeIdOf: (workload) => authority.spiffeIdOf(workload),
  });
  const certificates = { authority, issuer: 'builtin', material } as const;
  const state: AdminState = { ...stateOf(), certificates };
  return { authority, env: { MCPX_ADMIN_URL: await startOn(state) } };
}

describe('mcpx ca', () => {
  afterEach(async () => {
    await stopAll();
    await cleanUp();
  });

  it('show: lists the roots and the certificates that are held', async () => {
    const { authority, env } = await stage();
    const { exitCode, out } = await mcpx(['ca', 'show'], { env });
    expect(exitCode).to.equal(0);
    expect(out).to.match(/^ROOT \(SHA-256\) +STATE +SINCE +UNTIL +ENDS\n/);
    expect(out).to.match(new RegExp(`${authority.signer.value} +signing +\\d{4}-\\S+Z`));
    expect(out).to.match(/claims +spiffe:\/\/mcpx\/claims +\d{4}-\S+Z$/);
  });

  it('show: prints the JSON of the API, certificates included and keys not', async () => {
    const { authority, env } = await stage();
    const { out } = await mcpx(['ca', 'show', '--json'], { env });
    expect(JSON.parse(out)).to.have.nested.property('roots[0].certificate', authority.roots.value);
    expect(out).not.to.contain('PRIVATE');
  });

  it('show: says that there is nothing to show where identity is off', async () => {
    const { exitCode, err } = await mcpx(['ca', 'show', '--admin', await startOn(stateOf())]);
    expect(exitCode).to.equal(0);
    expect(err).to.contain('Identity is off');
  });

  it('rotate: says from when on the new root signs', async () => {
    const { env } = await stage();
    const { exitCode, out } = await mcpx(['ca', 'rotate'], { env });
    expect(exitCode).to.equal(0);
    expect(out).to.match(/ signing .*\n.* next /);
    expect(out).to.match(/signs from \d{4}-\S+Z on\.$/);
    const now = await mcpx(['ca', 'rotate', '--now'], { env });
    expect(now.out).to.match(/ retiring .*\n.* signing /);
    expect(now.out).to.contain('The new root signs for workloads now');
    const json = await mcpx(['ca', 'rotate', '--json'], { env });
    expect(JSON.parse(json.out)).to.have.nested.property('roots[2].state', 'next');
  });

  it('rotate: fails where identity is off', async () => {
    const { exitCode, err } = await mcpx(['ca', 'rotate', '--admin', await startOn(stateOf())]);
    expect(exitCode).to.equal(1);
    expect(err).to.contain('Identity is off');
  });

  it('issue: writes a key for its owner alone, the certificate, and whom to believe', async () => {
    const { authority, env } = await stage();
    const cwd = mkdtempSync(join(tmpdir(), 'mcpx-ca-'));
    const words = ['ca', 'issue', '--name', 'ana', '--role', 'operator', '--folder', 'own'];
    const { exitCode, out, err } = await mcpx(words, {
      ...{ env, cwd, actions: { certificateRequest: newKey } },
    });
    expect(exitCode).to.equal(0);
    expect(err).to.match(/^spiffe:\/\/mcpx\/operator\/ana until \d{4}-/);
    const file = (name: string) => join(cwd, 'own', name);
    expect(out.split('\n')).to.deep.equal([
      `export MCPX_ADMIN_KEY=${file('ana-key.pem')}`,
      `export MCPX_ADMIN_CERTIFICATE=${file('ana.pem')}`,
      `export MCPX_ADMIN_ROOTS=${file('roots.pem')}`,
    ]);
    const certificate = new X509Certificate(readFileSync(file('ana.pem')));
    expect(certificate.subjectAltName).to.equal('URI:spiffe://mcpx/operator/ana');
    const key = createPrivateKey(readFileSync(file('ana-key.pem')));
    expect(certificate.checkPrivateKey(key)).to.equal(true);
    expect(statSync(file('ana-key.pem')).mode & 0o777).to.equal(0o600);
    expect(readFileSync(file('roots.pem'), 'utf8')).to.equal(authority.roots.value);
    rmSync(cwd, { recursive: true });
  });

  it('issue: refuses another role, a name that is none, and where identity is off', async () => {
    const { env } = await stage();
    const actions = { certificateRequest: newKey };
    const issued = (name: string, role: string, where = env) =>
      mcpx(['ca', 'issue', '--name', name, '--role', role], { env: where, actions });
    expect((await issued('ana', 'node')).err).to.contain('viewer');
    expect((await issued('../edge', 'admin')).exitCode).to.equal(2);
    const off = { MCPX_ADMIN_URL: await startOn(stateOf()) };
    expect((await issued('ana', 'admin', off)).err).to.contain('Identity is off');
  });

  describe('and mcpx doctor', () => {
    const found = { findEnvoy: () => Promise.resolve(succeeded({ path: '/envoy', version: '1' })) };

    it('say when the next certificate ends', async () => {
      const { env } = await stage();
      const { out } = await mcpx(['doctor'], { env, actions: found });
      expect(out).to.match(/ok +certificates +1 held \(builtin\), the next ends at \d{4}-/);
    });

    it('fail for an Envoy whose certificate was not renewed in time', async () => {
      const state = stateOf();
      const certificate = { expiresAt: 86_400_000, late: true };
      state.nodesNow.set([nodeOf('edge-1', { certificate }), nodeOf('edge-2')]);
      const words = ['doctor', '--admin', await startOn(state)];
      const { exitCode, out } = await mcpx(words, { actions: found });
      expect(exitCode).to.equal(1);
      expect(out).to.match(/ok +Envoys +2 connected/);
      expect(out).to.match(/failed +Envoys +the certificate of edge-1 was not renewed in time/);
      expect(out).to.contain('Keep `mcpx join` running');
    });

    it('say of the certificate of the gateway when it ends, is late, or has ended', async () => {
      const said = async (daysLeft: number) => {
        const expiresAt = Date.now() + daysLeft * day;
        const held = { file: '/tls/a.pem', notBefore: expiresAt - 100 * day, expiresAt };
        const admin = await startOn({ ...stateOf(), gatewayCertificate: () => held });
        const { exitCode, out } = await mcpx(['doctor', '--admin', admin], { actions: found });
        const { out: shown } = await mcpx(['ca', 'show', '--admin', admin]);
        return { exitCode, out, shown };
      };
      const well = await said(26);
      expect(well.exitCode).to.equal(0);
      expect(well.out).to.match(/ok +gateway\.tls +\/tls\/a\.pem ends at \d{4}-/);
      expect(well.shown).to.match(/gateway \(\/tls\/a\.pem\) ends at \d{4}-\S+Z$/);
      const late = await said(24);
      expect(late.out).to.match(/warning +gateway\.tls +\/tls\/a\.pem was not renewed in time/);
      expect(late.shown).to.contain('not renewed');
      const ended = await said(-1);
      expect(ended.exitCode).to.equal(1);
      expect(ended.out).to.match(/failed +gateway\.tls +the certificate ended at/);
      expect(ended.out).to.contain('Renew /tls/a.pem');
    });

    it('fail for one that was not renewed in time', async () => {
      const clock = new StandingClock();
      clock.at -= 0.7 * day;
      const { env } = await stage(clock);
      const { exitCode, out } = await mcpx(['doctor'], { env, actions: found });
      expect(exitCode).to.equal(1);
      expect(out).to.match(/failed +certificates +claims was not renewed in time/);
      const shown = await mcpx(['ca', 'show'], { env });
      expect(shown.out).to.contain('not renewed');
    });
  });
});
