import { expect } from 'chai';
import { certificateList, rootList } from '../../../src/admin/identity_schemas.js';
import type { AdminState } from '../../../src/admin/state.js';
import type { Material } from '../../../src/certificates/material.js';
import { Latest } from '../../../src/latest.js';
import {
  authorityWith,
  cleanUp,
  day,
  givenRoot,
  StandingClock,
  valueOf,
  written,
} from '../certificates/stage.js';
import { startOn, stateOf, stopAll } from './stage.js';

const claims = 'spiffe://mcpx/claims';

/** Identity on: an authority, and the certificate of claims. */
async function stage(changes: Parameters<typeof authorityWith>[0] = {}) {
  const authority = await authorityWith(changes);
  const certificate = valueOf(await authority.issue(claims));
  const material = new Latest<Material>({
    ...{ roots: authority.roots.value, certificates: new Map([['claims', certificate]]) },
    spiffeIdOf: (workload) => authority.spiffeIdOf(workload),
  });
  const certificates = { authority, issuer: 'builtin', material } as const;
  const state: AdminState = { ...stateOf(), certificates };
  return { authority, certificate, url: `${await startOn(state)}/v1/certificates` };
}

const listed = async (url: string) => certificateList.parse(await (await fetch(url)).json());

const rotated = (url: string, body: unknown = {}) =>
  fetch(`${url}/rotate`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

/** Identity off, and the certificate of the gateway: of 100 days, so many are left. */
async function withGateway(daysLeft: number) {
  const expiresAt = Date.now() + daysLeft * day;
  const held = { file: '/tls/gateway.pem', notBefore: expiresAt - 100 * day, expiresAt };
  const url = await startOn({ ...stateOf(), gatewayCertificate: () => held });
  return listed(`${url}/v1/certificates`);
}

describe('certificates, by REST', () => {
  afterEach(async () => {
    await stopAll();
    await cleanUp();
  });

  it('are told with that of the gateway, also where identity is off', async () => {
    const { identity, gateway } = await withGateway(26);
    expect(identity).to.equal('off');
    expect(gateway).to.deep.include({ file: '/tls/gateway.pem', late: false });
    expect((await withGateway(24)).gateway?.late).to.equal(true);
  });

  it('are listed with the roots, and without any key', async () => {
    const { url, authority, certificate } = await stage();
    const { identity, issuer, roots, certificates } = await listed(url);
    expect({ identity, issuer }).to.deep.equal({ identity: 'mutual', issuer: 'builtin' });
    expect(roots).to.have.length(1);
    expect(roots[0]).to.deep.include({
      fingerprint: authority.signer.value,
      state: 'signing',
      certificate: authority.roots.value,
    });
    const expiresAt = new Date(certificate.expiresAt).toISOString();
    expect(certificates[0]).to.deep.include({ workload: 'claims', spiffeId: claims, expiresAt });
    expect(await (await fetch(url)).text()).not.to.contain('PRIVATE');
  });

  it('are late when they ought to have been renewed by now', async () => {
    expect((await listed((await stage()).url)).certificates[0]?.late).to.equal(false);
    const clock = new StandingClock();
    clock.at -= 0.7 * day;
    expect((await listed((await stage({ clock })).url)).certificates[0]?.late).to.equal(true);
  });

  it('get a new root that signs when everybody trusts it, or at once', async () => {
    const { url } = await stage();
    const soon = rootList.parse(await (await rotated(url)).json()).roots;
    expect(soon.map(({ state }) => state)).to.deep.equal(['signing', 'next']);
    expect(soon[1]).to.have.property('until');
    const now = rootList.parse(await (await rotated(url, { now: true })).json()).roots;
    expect(now.map(({ state }) => state)).to.deep.equal(['retiring', 'signing']);
    expect(now[1]?.fingerprint).to.equal(soon[1]?.fingerprint);
    expect((await listed(url)).roots).to.deep.equal(now);
  });

  it('get no new root by a wrong request, or where the root is given', async () => {
    const { url } = await stage();
    for (const wrong of [{ now: 'yes' }, { soon: true }])
      expect((await rotated(url, wrong)).status).to.equal(400);
    expect((await listed(url)).roots).to.have.length(1);
    const root = await givenRoot();
    const given = await stage({ given: written(root.certificate, root.key) });
    const answer = await rotated(given.url);
    expect(answer.status).to.equal(409);
    expect(await answer.text()).to.contain('given by files');
  });

  it('are none where identity is off', async () => {
    const url = `${await startOn(stateOf())}/v1/certificates`;
    const nothing = { identity: 'off' as const, roots: [], certificates: [] };
    expect(await listed(url)).to.deep.equal(nothing);
    expect((await rotated(url)).status).to.equal(409);
  });
});
