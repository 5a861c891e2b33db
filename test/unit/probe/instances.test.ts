import { expect } from 'chai';
import { spokesmen, targetOf } from '../../../src/probe/instances.js';
import { registration, serviceOf } from '../fleet/registered.js';

describe('who speaks for a service', () => {
  const at = (port: number, version: string, passing = true) =>
    registration({ id: `i${port}`, port, version, passing, checkedBy: 'registry' });

  it('is the newest version, by number and not by letter', () => {
    const service = serviceOf(at(1, '1.9.0'), at(2, '1.10.0'), at(3, '1.10.0-rc.1'));
    expect(spokesmen(service).map(({ version }) => version)).to.deep.equal([
      '1.10.0',
      '1.10.0-rc.1',
      '1.9.0',
    ]);
  });

  it('is an instance that passes its checks; of several the first by id', () => {
    const service = serviceOf(at(3, '1.0.0'), at(1, '2.0.0', false), at(2, '1.0.0'));
    expect(spokesmen(service).map(({ id }) => id)).to.deep.equal(['i2', 'i3']);
  });

  it('is one of a few', () => {
    const many = Array.from({ length: 10 }, (_, index) => at(index + 1, `1.0.${index}`));
    expect(spokesmen(serviceOf(...many)).map(({ version }) => version)).to.deep.equal([
      '1.0.9',
      '1.0.8',
      '1.0.7',
    ]);
  });

  it('is asked at its own address, of either family', () => {
    const one = serviceOf(registration({ host: '::1', port: 3 })).instances[0]!;
    expect(targetOf(one, { name: 'claims', path: '/mcp' }).url).to.equal('http://[::1]:3/mcp');
  });
});
