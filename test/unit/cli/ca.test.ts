import { expect } from 'chai';
import type { AdminState } from '../../../src/admin/state.js';
import type { Material } from '../../../src/certificates/material.js';
import { succeeded } from '../../../src/errors.js';
import { Latest } from '../../../src/latest.js';
import { startOn, stateOf, stopAll } from '../admin/stage.js';
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
    expect(now.out).to.contain('The new root signs now');
    const json = await mcpx(['ca', 'rotate', '--json'], { env });
    expect(JSON.parse(json.out)).to.have.nested.property('roots[2].state', 'next');
  });

  it('rotate: fails where identity is off', async () => {
    const { exitCode, err } = await mcpx(['ca', 'rotate', '--admin', await startOn(stateOf())]);
    expect(exitCode).to.equal(1);
    expect(err).to.contain('Identity is off');
  });

  describe('and mcpx doctor', () => {
    const found = { findEnvoy: () => Promise.resolve(succeeded({ path: '/envoy', version: '1' })) };

    it('say when the next certificate ends', async () => {
      const { env } = await stage();
      const { out } = await mcpx(['doctor'], { env, actions: found });
      expect(out).to.match(/ok +certificates +1 held \(builtin\), the next ends at \d{4}-/);
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
