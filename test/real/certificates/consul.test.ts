import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { expect } from 'chai';
import type { Issuer } from '../../../src/certificates/certificate.js';
import { createConsulIssuer } from '../../../src/certificates/consul_issuer.js';
import { silentLog } from '../../../src/log.js';
import { startConsul, type RealConsul } from '../parts/consul.js';
import { eventually } from '../parts/mcpx.js';
import { certificateOf, meeting, messageOf, rootsIn, watched, type Side } from './issuing.js';

describe("Consul's Connect CA as whoever signs for workloads", function () {
  this.timeout(60_000);
  let consul: RealConsul;
  const issuers: Issuer[] = [];

  before(async () => {
    // Who brings no token may do all, and who brings one that is not known nothing.
    const token = randomUUID();
    const tokens = { initial_management: token, default: token, agent: token };
    const acl = { enabled: true, default_policy: 'deny', tokens };
    consul = await startConsul({ keepsData: true, settings: { connect: { enabled: true }, acl } });
  });
  afterEach(async () => {
    await Promise.all(issuers.splice(0).map(async (issuer) => issuer.close()));
  });
  after(async () => consul.stop());

  const issuerAt = (address: string, token = ''): Issuer => {
    const issuer = createConsulIssuer({ address, token, datacenter: '', log: silentLog });
    issuers.push(issuer);
    return issuer;
  };

  it('gives a service a certificate with the id that Consul has for it', async () => {
    const issuer = issuerAt(consul.address);
    expect(issuer.spiffeIdOf('claims')).to.equal(undefined);
    const claims = certificateOf(await issuer.issue('claims'));
    expect(claims.spiffeId).to.match(
      /^spiffe:\/\/[0-9a-f-]{36}\.consul\/ns\/default\/dc\/dc1\/svc\/claims$/,
    );
    expect(issuer.spiffeIdOf('claims')).to.equal(claims.spiffeId);
    const edge = certificateOf(await issuer.issue('edge'));
    expect(edge.spiffeId).to.equal(claims.spiffeId.replace(/claims$/, 'edge'));
    expect(claims.expiresAt - claims.notBefore).to.equal(72 * 3_600_000);
  });

  it('lets two of its workloads meet with TLS 1.3, each seeing who the other is', async () => {
    const issuer = issuerAt(consul.address);
    const roots = await watched(issuer).roots.when((told) => told !== '');
    const edge = certificateOf(await issuer.issue('edge'));
    const claims = certificateOf(await issuer.issue('claims'));
    const met = await meeting({ certificate: claims, roots }, { certificate: edge, roots });
    const [client, server] = [edge.spiffeId, claims.spiffeId];
    expect(met).to.deep.equal({ protocol: 'TLSv1.3', client, server });
  });

  it('has its root rotated without a gap: old and new of both ends trust each other', async () => {
    const issuer = issuerAt(consul.address);
    const { roots, renewals } = watched(issuer);
    const before: Side = {
      roots: await roots.when((told) => told !== ''),
      certificate: certificateOf(await issuer.issue('claims')),
    };
    await rotate();
    await renewals.when((times) => times === 1);
    const now: Side = {
      roots: roots.value,
      certificate: certificateOf(await issuer.issue('claims')),
    };
    expect(rootsIn(now.roots)).to.equal(rootsIn(before.roots) + 1);
    expect(now.certificate.chain).not.to.include(before.certificate.chain);
    for (const server of [before, now])
      for (const client of [before, now])
        expect((await meeting(server, client)).protocol).to.equal('TLSv1.3');
    expect(renewals.value).to.equal(1);
  });

  it('keeps what is trusted while Consul is away, and follows it again after', async () => {
    const issuer = issuerAt(consul.address);
    const { roots, renewals } = watched(issuer);
    const told = await roots.when((roots) => roots !== '');
    await consul.kill();
    const missing = messageOf(await issuer.issue('claims'));
    expect(missing).to.include(`Consul at ${consul.address} gives no certificate of claims`);
    expect(missing).to.include('Start it, or correct registry.consul.');
    expect(roots.value).to.equal(told);
    await eventually('it is a problem', () => issuer.problems?.().length === 1);
    await consul.start();
    expect(certificateOf(await issuer.issue('claims')).spiffeId).to.include('/svc/claims');
    expect([roots.value, renewals.value]).to.deep.equal([told, 0]);
    await rotate();
    await renewals.when((times) => times === 1);
    expect(rootsIn(roots.value)).to.equal(rootsIn(told) + 1);
    expect(issuer.problems?.()).to.deep.equal([]);
  });

  it('says what a token must be allowed that Consul refuses, and not the token', async () => {
    const token = randomUUID();
    const refused = messageOf(await issuerAt(consul.address, token).issue('quotes'));
    expect(refused).to.include('ACL not found').and.include('service:write');
    expect(refused).not.to.include(token);
  });

  it('says what to set where Connect is off', async () => {
    const off = await startConsul({ settings: { connect: { enabled: false } } });
    try {
      const refused = messageOf(await issuerAt(off.address).issue('claims'));
      expect(refused).to.include('`connect { enabled = true }`');
    } finally {
      await off.stop();
    }
  });

  /** A new root, made by Consul for a key of the test's. */
  async function rotate(): Promise<void> {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const PrivateKey = privateKey.export({ type: 'sec1', format: 'pem' });
    const answer = await fetch(`${consul.address}/v1/connect/ca/configuration`, {
      method: 'PUT',
      body: JSON.stringify({ Provider: 'consul', Config: { PrivateKey } }),
    });
    if (!answer.ok) throw new Error(`Consul did not rotate: ${await answer.text()}`);
  }
});
