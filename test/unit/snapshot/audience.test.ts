import { expect } from 'chai';
import { audienceOf } from '../../../src/snapshot/audience.js';

describe('audience', () => {
  it('takes a node that says no role for an edge', () => {
    expect(audienceOf(undefined)).to.equal('edge');
    expect(audienceOf('edge')).to.equal('edge');
  });

  it('serves nothing to a role it does not know', () => {
    expect(audienceOf('sidecar')).to.equal(undefined);
    expect(audienceOf('')).to.equal(undefined);
  });
});
