import { expect } from 'chai';
import type { Registration } from '../../../src/fleet/fleet.js';
import { askedUnder, spokesmen, targetOf } from '../../../src/probe/instances.js';
import { registration, serviceOf } from '../fleet/registered.js';

const ids = (...registrations: Registration[]) =>
  spokesmen(serviceOf(...registrations)).map(({ id }) => id);

describe('whom the probe asks', () => {
  it('begins with the newest version, then by id', () => {
    expect(
      ids(
        registration({ id: 'a', port: 1, version: '9.0.0' }),
        registration({ id: 'c', port: 2, version: '10.0.0' }),
        registration({ id: 'b', port: 3, version: '10.0.0' }),
      ),
    ).to.deep.equal(['b', 'c', 'a']);
  });

  it('is nobody that fails the checks of its registry', () => {
    const failing = { checkedBy: 'registry', passing: false } as const;
    expect(
      ids(registration({ id: 'a', port: 1, ...failing }), registration({ id: 'b', port: 2 })),
    ).to.deep.equal(['b']);
  });

  it('is three at most', () => {
    const five = [1, 2, 3, 4, 5].map((port) => registration({ id: String(port), port }));
    expect(ids(...five)).to.deep.equal(['1', '2', '3']);
  });

  it('has its address as a URL, also in IPv6', () => {
    const url = (host: string) =>
      targetOf(serviceOf(registration({ host })).instances[0]!, '/mcp').url;
    expect(url('10.0.0.7')).to.equal('http://10.0.0.7:3000/mcp');
    expect(url('fd00::7')).to.equal('http://[fd00::7]:3000/mcp');
  });

  describe('is asked anew', () => {
    const asked = (fields: Partial<Registration>) =>
      askedUnder(serviceOf(registration({ id: 'claims-1', ...fields })));
    const changes: readonly [Partial<Registration>, boolean][] = [
      [{ version: '2.0.0' }, true],
      [{ host: '10.0.0.8' }, true],
      [{ port: 3001 }, true],
      [{ path: '/other' }, true],
      [{ era: 'legacy' }, true],
      [{ id: 'claims-2' }, true],
      [{ checkedBy: 'registry', passing: false }, true],
      [{ weight: 7 }, false],
      [{ tags: ['pii'] }, false],
      [{ zone: 'eu-west-1a' }, false],
      [{ expose: { prefix: false, tools: [] } }, false],
    ];
    for (const [change, anew] of changes)
      it(`${anew ? 'after' : 'not after'} a change of ${Object.keys(change).join(', ')}`, () => {
        expect(asked(change) !== asked({})).to.equal(anew);
      });
  });
});
