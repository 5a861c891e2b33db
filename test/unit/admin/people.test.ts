import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { personCertificate } from '../../../src/admin/identity_schemas.js';
import type { AdminState } from '../../../src/admin/state.js';
import { callAdmin, type AdminCall, type Credentials } from '../../../src/admin_client/call.js';
import { newKey } from '../../../src/admission/joining.js';
import type { Material } from '../../../src/certificates/material.js';
import { Latest } from '../../../src/latest.js';
import { authorityWith, cleanUp, day, StandingClock, valueOf } from '../certificates/stage.js';
import { startOn, stateOf, stopAll } from './stage.js';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const rows = (['operator', 'admin'] as const).map((role) => ({
  ...{ name: role, role, sha256: sha256(role) },
}));

/** An admin API over TLS that knows two tokens and whatever its authority signs. */
async function stage() {
  const clock = new StandingClock();
  const authority = await authorityWith({ clock });
  const { chain: cert, key } = valueOf(
    await authority.issueForLink(authority.spiffeIdOf('control-plane'), ['127.0.0.1']),
  );
  const roots = authority.roots.value;
  const material = new Latest<Material>({
    ...{ roots, certificates: new Map(), spiffeIdOf: (each) => authority.spiffeIdOf(each) },
  });
  const certificates = { authority, issuer: 'builtin', material } as const;
  const state: AdminState = { ...stateOf(), certificates };
  const url = await startOn(state, {
    access: { open: false, tokens: rows, trustDomain: 'mcpx' },
    tls: new Latest({ cert, key, ca: roots }),
  });
  const call = (path: string, sent: AdminCall, by: Credentials) =>
    callAdmin(`${url}/v1/${path}`, sent, { roots, ...by });
  const post = (path: string, body: object, by: Credentials) =>
    call(path, { ...{ method: 'POST', body: JSON.stringify(body) }, headers: json }, by);
  return { call, post, clock };
}

const json = { 'content-type': 'application/json' };
const people = 'certificates/people';

describe('a certificate for a person', () => {
  afterEach(async () => {
    await stopAll();
    await cleanUp();
  });

  it('makes them what it says: an operator registers, and signs for nobody', async () => {
    const { post, call, clock } = await stage();
    const { key, request } = await newKey();
    const wish = { role: 'operator', name: 'ana', request };
    const answer = await post(people, wish, { token: 'admin' });
    expect(answer.status).to.equal(201);
    const { id, chain, until } = personCertificate.parse(JSON.parse(await answer.text()));
    expect(id).to.equal('spiffe://mcpx/operator/ana');
    expect(Date.parse(until) - clock.now()).to.be.within(day - 1_000, day);
    const ana = { certificate: chain, key };
    expect((await call('services/absent', { method: 'DELETE' }, ana)).status).to.equal(404);
    const refused = await post(people, { ...wish, role: 'admin' }, ana);
    expect(refused.status).to.equal(403);
    expect(await refused.text()).to.contain(`${id} is operator here, and this takes admin`);
  });

  it('is signed for nobody but an admin', async () => {
    const { post } = await stage();
    const wish = { role: 'viewer', name: 'ana', request: (await newKey()).request };
    expect((await post(people, wish, { token: 'operator' })).status).to.equal(403);
    expect((await post(people, wish, {})).status).to.equal(401);
  });

  it('is of nobody else: not of a part of MCPX, nor of a service', async () => {
    const { post } = await stage();
    const { request } = await newKey();
    for (const wrong of [
      { role: 'node', name: 'edge', request },
      { role: 'admin', name: '', request },
      { role: 'admin', name: '../edge', request },
      { role: 'admin', name: 'a/b', request },
      { role: 'admin', name: 'ana', request, life: '1y' },
    ])
      expect((await post(people, wrong, { token: 'admin' })).status).to.equal(400);
    const noRequest = { role: 'admin', name: 'ana', request: 'no request' };
    const answer = await post(people, noRequest, { token: 'admin' });
    expect(answer.status).to.equal(400);
    expect(await answer.text()).to.contain('no certificate request');
  });
});
