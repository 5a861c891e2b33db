import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { z } from 'zod';
import type { Issuer } from '../../../src/certificates/certificate.js';
import {
  createVaultIssuer,
  type VaultIssuerOptions,
} from '../../../src/certificates/vault_issuer.js';
import { silentLog } from '../../../src/log.js';
import { startVault, type RealVault } from '../parts/vault.js';
import { eventually } from '../parts/mcpx.js';
import { certificateOf, meeting, messageOf, rootsIn, watched, type Side } from './issuing.js';

const issuerSchema = z.object({ data: z.object({ issuer_id: z.string() }) });
const tokenSchema = z.object({
  auth: z.object({ client_token: z.string(), accessor: z.string() }),
});

/** All that an issuer's token must be allowed. */
const policy = 'path "pki/issue/mcpx" { capabilities = ["update"] }';
const wider = 'path "+/issue/+" { capabilities = ["update"] }';

describe("Vault's PKI as whoever signs for workloads", function () {
  this.timeout(60_000);
  let vault: RealVault;
  let token: string;
  let widerToken: string;
  let first: string;
  const issuers: Issuer[] = [];

  before(async () => {
    vault = await startVault();
    await vault.call('POST', 'sys/mounts/pki', { type: 'pki', config: { max_lease_ttl: '8760h' } });
    first = await newRoot('generate');
    const role = { allowed_uri_sans: 'spiffe://mcpx.test/*', require_cn: false, key_type: 'ec' };
    await vault.call('POST', 'pki/roles/mcpx', role);
    await vault.call('PUT', 'sys/policies/acl/mcpx', { policy });
    await vault.call('PUT', 'sys/policies/acl/wider', { policy: wider });
    ({ client_token: token } = await newToken('24h'));
    ({ client_token: widerToken } = await newToken('24h', { policies: ['wider'] }));
  });
  afterEach(async () => {
    await Promise.all(issuers.splice(0).map(async (issuer) => issuer.close()));
  });
  after(async () => vault.stop());

  const issuer = (other: Partial<VaultIssuerOptions> = {}): Issuer => {
    const { address } = vault;
    const issuer = createVaultIssuer({
      ...{ address, mount: 'pki', role: 'mcpx', token, trustDomain: 'mcpx.test', life: '24h' },
      ...{ log: silentLog, lookEveryMs: 50 },
      ...other,
    });
    issuers.push(issuer);
    return issuer;
  };

  it('gives a workload a certificate with its id, for as long as is asked', async () => {
    const vaults = issuer();
    const claims = certificateOf(await vaults.issue('claims'));
    expect(claims.spiffeId).to.equal('spiffe://mcpx.test/claims');
    expect(claims.spiffeId).to.equal(vaults.spiffeIdOf('claims'));
    expect(claims.expiresAt - claims.notBefore).to.be.within(24 * 3_600_000, 24.1 * 3_600_000);
    expect(rootsIn(claims.chain)).to.equal(1);
  });

  it('lets two of its workloads meet with TLS 1.3, each seeing who the other is', async () => {
    const vaults = issuer();
    const roots = await watched(vaults).roots.when((told) => told !== '');
    const edge = certificateOf(await vaults.issue('edge'));
    const claims = certificateOf(await vaults.issue('claims'));
    const met = await meeting({ certificate: claims, roots }, { certificate: edge, roots });
    const [client, server] = ['spiffe://mcpx.test/edge', 'spiffe://mcpx.test/claims'];
    expect(met).to.deep.equal({ protocol: 'TLSv1.3', client, server });
  });

  it('has its root rotated without a gap, and trusts no longer what Vault deleted', async () => {
    const vaults = issuer();
    const { roots, renewals } = watched(vaults);
    const alone = await roots.when((told) => told !== '');
    const old = certificateOf(await vaults.issue('claims'));
    const second = await newRoot('rotate');
    const both = await roots.when((told) => told !== alone);
    expect([rootsIn(both), renewals.value]).to.deep.equal([2, 0]);
    await vault.call('POST', 'pki/config/issuers', { default: second });
    await renewals.when((times) => times === 1);
    const renewed = certificateOf(await vaults.issue('claims'));
    const [before, now]: Side[] = [
      { certificate: old, roots: both },
      { certificate: renewed, roots: both },
    ];
    for (const server of [before!, now!])
      for (const client of [before!, now!])
        expect((await meeting(server, client)).protocol).to.equal('TLSv1.3');
    await vault.call('DELETE', `pki/issuer/${first}`);
    await renewals.when((times) => times === 2);
    expect(rootsIn(roots.value)).to.equal(1);
    const strict: Side = { certificate: renewed, roots: roots.value };
    expect((await meeting(strict, strict)).protocol).to.equal('TLSv1.3');
    const refused = await meeting(strict, before!).catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(Error);
  });

  it('trusts a root before the first certificate that it signed is used', async () => {
    const vaults = issuer({ lookEveryMs: 3_600_000 });
    const { roots } = watched(vaults);
    const known = await roots.when((told) => told !== '');
    await vault.call('POST', 'pki/config/issuers', { default: await newRoot('rotate') });
    const certificate = certificateOf(await vaults.issue('claims'));
    expect(rootsIn(roots.value)).to.equal(rootsIn(known) + 1);
    const side: Side = { certificate, roots: roots.value };
    expect((await meeting(side, side)).protocol).to.equal('TLSv1.3');
  });

  it('keeps what is trusted while Vault is away or sealed, and goes on after', async () => {
    const vaults = issuer();
    const { roots, renewals } = watched(vaults);
    const told = await roots.when((roots) => roots !== '');
    await vault.kill();
    const away = messageOf(await vaults.issue('claims'));
    expect(away).to.include(`Vault at ${vault.address} gives no certificate of claims`);
    expect(away).to.include('Start it, or correct identity.vault.');
    await vault.start();
    expect(messageOf(await vaults.issue('claims'))).to.match(/is sealed\. Unseal it\.$/);
    expect([roots.value, renewals.value]).to.deep.equal([told, 0]);
    await eventually('it is a problem', () =>
      vaults.problems?.().some(({ message }) => message.includes('gives no roots')),
    );
    await vault.unseal();
    await eventually('Vault signs again', async () => (await vaults.issue('claims')).ok);
    await newRoot('rotate');
    await roots.when((roots) => rootsIn(roots) === rootsIn(told) + 1);
    await eventually('nothing is wrong', () => vaults.problems?.().length === 0);
  });

  const refusals: readonly (readonly [string, () => Partial<VaultIssuerOptions>, string])[] = [
    ['a token it does not know', () => ({ token: randomUUID() }), 'may update pki/issue/mcpx'],
    ['an id the role may not sign', () => ({ trustDomain: 'other.test' }), 'allowed_uri_sans'],
    ['a role it may not use', () => ({ role: 'none' }), 'may update pki/issue/none'],
    [
      'a role that is not there',
      () => ({ role: 'none', token: widerToken }),
      'correct identity.vault.role',
    ],
    [
      'a mount that is not there',
      () => ({ mount: 'none', token: widerToken }),
      'correct identity.vault.mount',
    ],
  ];
  for (const [what, wrong, advice] of refusals)
    it(`says what to do about ${what}, and never the token`, async () => {
      const refused = messageOf(await issuer(wrong()).issue('claims'));
      expect(refused).to.include('gives no certificate of claims').and.include(advice);
      expect(refused).not.to.include(wrong().token ?? token);
    });

  it('renews its token before that ends', async () => {
    const { client_token, accessor } = await newToken('2s');
    issuer({ token: client_token });
    await eventually('the token was renewed', async () => {
      const seen = await vault.call('POST', 'auth/token/lookup-accessor', { accessor });
      return renewedSchema.safeParse(seen).success;
    });
  });

  it('says when a token ends that cannot be renewed, or not for as long as it had', async () => {
    const wishes = [{ renewable: false }, { explicit_max_ttl: '3s' }];
    for (const wish of wishes) {
      const { client_token } = await newToken('', { ...wish, ttl: '3s' });
      const vaults = issuer({ token: client_token });
      await eventually('it is a problem', () =>
        vaults.problems?.().some(({ message }) => message.includes('cannot be renewed')),
      );
    }
  });

  const renewedSchema = z.object({ data: z.object({ last_renewal_time: z.number().positive() }) });

  /** A root of its own key, whose issuer's id is answered; rotate: beside those there are. */
  async function newRoot(how: 'generate' | 'rotate'): Promise<string> {
    const wish = { common_name: 'mcpx.test', ttl: '4380h', key_type: 'ec' };
    const made = await vault.call('POST', `pki/root/${how}/internal`, wish);
    return issuerSchema.parse(made).data.issuer_id;
  }

  async function newToken(
    period: string,
    other: object = {},
  ): Promise<z.output<typeof tokenSchema>['auth']> {
    const wish = { policies: ['mcpx'], period, ...other };
    const made = await vault.call('POST', 'auth/token/create', wish);
    return tokenSchema.parse(made).auth;
  }
});
