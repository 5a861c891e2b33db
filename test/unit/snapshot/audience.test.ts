import { expect } from 'chai';
import {
  audienceOf,
  sidecarIn,
  workloadOf,
  type Audience,
  type Said,
} from '../../../src/snapshot/audience.js';

const claims: Said = {
  ...{ role: 'sidecar', service: 'claims' },
  ...{ inbound: '10.0.0.8:3443', outbound: '127.0.0.1:15001' },
};

const audience = (said: Said): Audience => {
  const found = audienceOf(said);
  if ('complaint' in found) throw new Error(found.complaint);
  return found.audience;
};

const complaint = (said: Said): string => {
  const found = audienceOf(said);
  return 'complaint' in found ? found.complaint : '';
};

describe('audience', () => {
  it('takes a node that says no role for an edge', () => {
    expect(audience({})).to.equal('edge');
    expect(audience({ ...claims, role: 'edge' })).to.equal('edge');
  });

  it('takes a sidecar for that of its service, with where it listens', () => {
    const own = audience(claims);
    expect(own).to.equal('sidecar/claims?inbound=10.0.0.8:3443&outbound=127.0.0.1:15001');
    expect(sidecarIn(own)).to.deep.equal({
      service: 'claims',
      inbound: { host: '10.0.0.8', port: 3443 },
      outbound: { host: '127.0.0.1', port: 15001 },
    });
  });

  it('reads addresses of version 6, however they are written', () => {
    const own = audience({ ...claims, inbound: '[2001:DB8::7]:1', outbound: '[::1]:65535' });
    expect(own).to.equal('sidecar/claims?inbound=[2001:db8::7]:1&outbound=[::1]:65535');
    expect(sidecarIn(own)?.inbound).to.deep.equal({ host: '2001:db8::7', port: 1 });
  });

  it('knows whose certificate a node of it shows', () => {
    expect(workloadOf('edge')).to.equal('edge');
    expect(workloadOf(audience(claims))).to.equal('claims');
    expect(sidecarIn('edge')).to.equal(undefined);
  });

  for (const service of [undefined, '', 'Claims', 'a/b', 'a?inbound=1', 'a&b', '-a'])
    it(`knows no sidecar of ${service ?? 'nothing'}`, () => {
      expect(complaint({ ...claims, service })).to.contain('name the service');
    });

  for (const place of [undefined, '', '3443', 'host:1', '10.0.0.8', '10.0.0.8:0', '10.0.0.8:65536'])
    it(`takes ${place ?? 'nothing'} for no address`, () => {
      expect(complaint({ ...claims, inbound: place })).to.contain('say inbound');
      expect(complaint({ ...claims, outbound: place })).to.contain('say outbound');
    });

  it('lets nobody on other machines call as the service', () => {
    for (const outbound of ['0.0.0.0:15001', '10.0.0.8:15001', '[::]:15001', '1270.0.0.1:15001'])
      expect(complaint({ ...claims, outbound })).to.contain('on loopback');
  });

  it('has nothing for a role that nobody has', () => {
    expect(complaint({ ...claims, role: 'admin' })).to.contain('not "admin"');
    expect(complaint({ role: '' })).to.contain('say role');
  });
});
