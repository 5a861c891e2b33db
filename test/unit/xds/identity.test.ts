import { expect } from 'chai';
import { revokedBy } from '../../../src/certificates/revoked.js';
import { ownWorkloads } from '../../../src/certificates/workload.js';
import type { Audience } from '../../../src/snapshot/audience.js';
import { objection, spiffeIdIn } from '../../../src/xds/identity.js';

const policy = { trustDomain: 'example.org' };
const peer = (id: string | undefined) => ({ id, expiresAt: 1_000 });
const said = (audience: Audience, now = 0) => ({ audience, now });

describe('identity', () => {
  describe('of a certificate', () => {
    const cases: readonly [string, string | undefined, string | undefined][] = [
      ['is its one SPIFFE ID', 'URI:spiffe://example.org/edge', 'spiffe://example.org/edge'],
      ['stands beside names', 'DNS:edge, URI:spiffe://a.b/c/d, IP Address:::1', 'spiffe://a.b/c/d'],
      ['is nothing without names', undefined, undefined],
      ['is nothing where only a host is named', 'DNS:spiffe.example.org', undefined],
      ['is nothing where two are named', 'URI:spiffe://a/b, URI:spiffe://a/c', undefined],
      ['is nothing beside another URI', 'URI:spiffe://a/b, URI:https://a/c', undefined],
      ['is nothing without a path', 'URI:spiffe://example.org', undefined],
      ['is nothing with a query', 'URI:spiffe://example.org/edge?a', undefined],
      // How Node writes one name that tries to look like two.
      ['is not what a quoted name imitates', 'DNS:"a, URI:spiffe://a/b"', undefined],
      ['is not what is quoted itself', 'URI:"spiffe://a/b, URI:c"', undefined],
    ];
    for (const [rule, names, expected] of cases)
      it(rule, () => expect(spiffeIdIn(names)).to.equal(expected));
  });

  it('lets in an edge and a sidecar that are what they say (point 41)', () => {
    expect(objection(policy, peer('spiffe://example.org/edge'), said('edge'))).to.equal(undefined);
    const claims = peer('spiffe://example.org/claims');
    expect(objection(policy, claims, said('sidecar/claims'))).to.equal(undefined);
  });

  const refused: readonly [string, string | undefined, Audience][] = [
    ['a sidecar that says it is an edge', 'spiffe://example.org/claims', 'edge'],
    ['an edge that says it is a sidecar', 'spiffe://example.org/edge', 'sidecar/claims'],
    ["one service's sidecar that says another's", 'spiffe://example.org/billing', 'sidecar/claims'],
    ['another trust domain', 'spiffe://example.com/edge', 'edge'],
    ['a longer path', 'spiffe://example.org/claims/edge', 'sidecar/claims'],
    ['a certificate that names nobody', undefined, 'edge'],
    [
      'the sidecar of a service that is called as the edge',
      'spiffe://example.org/edge',
      'sidecar/edge',
    ],
  ];
  for (const [whom, id, audience] of refused)
    it(`refuses ${whom}, and says what to do (point 41)`, () => {
      expect(objection(policy, peer(id), said(audience)))
        .to.contain(audience)
        .and.contain(id ?? 'without one SPIFFE ID')
        .and.contain('bootstrap');
    });

  it('refuses whoever shows no certificate where one is asked for', () => {
    expect(objection(policy, undefined, said('edge'))).to.contain('none was shown');
  });

  for (const service of ownWorkloads)
    it(`lets nobody be the sidecar of a service called ${service}`, () => {
      for (const each of [undefined, peer(undefined), peer(`spiffe://example.org/${service}`)])
        expect(objection(policy, each, said(`sidecar/${service}`))).to.contain('for nobody');
    });

  it('believes anybody where no policy is set', () => {
    expect(objection('any', undefined, said('edge'))).to.equal(undefined);
  });

  it('is nobody with a certificate that is revoked, and others are who they are', () => {
    const revoked = revokedBy(
      [{ workload: 'claims', before: '1970-01-01T00:00:00.500Z' }],
      'example.org',
    );
    const shown = (workload: string, issuedAt?: number) => {
      const whom = { ...peer(`spiffe://example.org/${workload}`), issuedAt };
      return objection({ ...policy, revoked }, whom, said(`sidecar/${workload}`));
    };
    for (const issuedAt of [undefined, 499])
      expect(shown('claims', issuedAt)).to.contain('revoked').and.contain('join anew');
    expect([shown('claims', 500), shown('policy', 0)]).to.deep.equal([undefined, undefined]);
  });

  it('ends with the certificate, under any policy (point 41)', () => {
    for (const each of ['any', policy] as const) {
      const edge = peer('spiffe://example.org/edge');
      expect(objection(each, edge, said('edge', 999))).to.equal(undefined);
      expect(objection(each, edge, said('edge', 1_000))).to.contain('1970-01-01T00:00:01');
    }
  });
});
