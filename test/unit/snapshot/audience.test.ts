import { expect } from 'chai';
import { audienceOf } from '../../../src/snapshot/audience.js';

describe('audience', () => {
  it('takes a node that says no role for an edge', () => {
    expect(audienceOf(undefined, undefined)).to.equal('edge');
    expect(audienceOf('edge', 'claims')).to.equal('edge');
  });

  it('takes a sidecar for that of its service', () => {
    expect(audienceOf('sidecar', 'claims')).to.equal('sidecar/claims');
  });

  it('knows no sidecar of nothing', () => {
    expect(audienceOf('sidecar', undefined)).to.equal(undefined);
    expect(audienceOf('sidecar', '')).to.equal(undefined);
  });

  it('has nothing for a role that nobody has', () => {
    expect(audienceOf('admin', 'claims')).to.equal(undefined);
    expect(audienceOf('', undefined)).to.equal(undefined);
  });
});
