import { expect } from 'chai';
import { emptyFleet, type Catalogue, type Service } from '../../../src/fleet/fleet.js';
import { merge } from '../../../src/fleet/merge.js';
import type { Rollout } from '../../../src/fleet/rollout.js';
import type { Move } from '../../../src/rollout/advance.js';
import { passGates } from '../../../src/rollout/gates.js';
import { catalogueOf, needing, readingOf, report, rolloutOf } from '../fleet/registered.js';

const policy = ['1.0.0', '2.0.0'].map((version) => needing(`policy@${version}`));

/** What stands in the way of `policy` 1.0.0 → 2.0.0, where `others` are registered too. */
function obstacles(what: Move, ...others: Parameters<typeof report>[1]): readonly string[] {
  const { fleet } = merge([report('file', [...policy, ...others])], new Map(), emptyFleet);
  const merged = fleet.services.find(({ name }) => name === 'policy');
  const versions = { '1.0.0': catalogueOf('look'), '2.0.0': catalogueOf('look') };
  const probe = { catalogue: versions['2.0.0'], failure: undefined, versions };
  const service: Service = { ...merged!, probe };
  const rollout = rolloutOf('policy').current;
  const passage = { fleet, service, what, rollout, acceptBreaking: false };
  const passed = passGates({ ...passage, asksForCertificates: false });
  return passed.ok ? [] : passed.problems.map(({ code, message }) => `${code}: ${message}`);
}

describe('the gates of a rollout', () => {
  for (const what of ['start', 'stage', 'switch', 'finish', 'promote'] as const)
    it(`${what}: shut while somebody depends on the old version, with the chain shown`, () => {
      expect(obstacles(what)).to.deep.equal([]);
      expect(obstacles(what, needing('claims@1.0.0', 'policy@>=1'))).to.deep.equal([]);
      const [told] = obstacles(what, needing('claims@1.0.0', 'policy@^1'));
      expect(told).to.match(/^dependency_unmet: .*claims@1\.0\.0 → policy@\^1 \(only 2\.0\.0\)/);
    });

  for (const what of ['pause', 'abort', 'rollback', 'advance'] as const)
    it(`${what}: open, whoever depends on what`, () => {
      expect(obstacles(what, needing('claims@1.0.0', 'policy@^1'))).to.deep.equal([]);
    });
});

describe('what a rollout is asked for that cannot happen', () => {
  interface Asked {
    readonly offers?: readonly [Catalogue | undefined, Catalogue | undefined];
    readonly acceptBreaking?: boolean;
    readonly asksForCertificates?: boolean;
    readonly what?: Move;
  }

  /** What is refused of a rollout of `policy` with these. */
  function refused(changes: Partial<Rollout>, asked: Asked = {}): readonly string[] {
    const { offers = [], acceptBreaking = false, what = 'start' } = asked;
    const { asksForCertificates = false } = asked;
    const { fleet } = merge([report('file', policy)], new Map(), emptyFleet);
    const [old, fresh] = offers.length > 0 ? offers : [catalogueOf('look'), catalogueOf('look')];
    const versions = { ...(old && { '1.0.0': old }), ...(fresh && { '2.0.0': fresh }) };
    const probe = { catalogue: fresh, failure: undefined, versions };
    const rollout = rolloutOf('policy', changes).current;
    const passed = passGates({
      ...{ fleet, service: { ...fleet.services[0]!, probe }, what, rollout },
      ...{ acceptBreaking, asksForCertificates },
    });
    return passed.ok ? [] : passed.problems.map(({ message }) => message);
  }

  const both = (offer: Catalogue) => [offer, offer] as const;
  const mirror = 10;

  for (const what of ['start', 'stage'] as const)
    it(`${what} with a mirror: refused where no tool is read-only in both versions`, () => {
      expect(refused({ mirror }, { what, offers: both(readingOf('look')) })).to.deep.equal([]);
      expect(refused({}, { what })).to.deep.equal([]);
      const one = [catalogueOf('look'), readingOf('look')] as const;
      for (const offers of [both(catalogueOf('look')), one])
        expect(refused({ mirror }, { what, offers }).join()).to.contain(
          'No tool is annotated read-only by both 1.0.0 and 2.0.0',
        );
    });

  it('a mirror of a service that speaks only the legacy era: its calls are never copied', () => {
    const legacy: Catalogue = { ...readingOf('look'), eras: ['legacy'] };
    const bothEras: Catalogue = { ...legacy, eras: ['modern', 'legacy'] };
    expect(refused({ mirror }, { offers: both(legacy) })).to.deep.equal([
      'A mirror copies calls of the modern era, and policy 1.0.0 speaks only legacy: no call ' +
        'could be copied. Leave the mirror out.',
    ]);
    expect(refused({ mirror }, { offers: both(bothEras) })).to.deep.equal([]);
  });

  it('a mirror of what nobody was asked, told once', () => {
    const offers = [readingOf('look'), undefined] as const;
    const said = [
      refused({ mirror }, { offers }),
      refused({ mirror }, { offers, acceptBreaking: true }),
    ];
    for (const told of said) {
      expect(told).to.have.lengthOf(1);
      expect(told[0]).to.match(/2\.0\.0 offers is not known.* Try again in a moment, or/);
    }
  });

  it('a rule by certificate where the gateway asks agents for none', () => {
    const match = [{ header: 'x-team', value: 'qa' }, { principal: 'spiffe://mcpx/qa' }];
    expect(refused({ match }, { asksForCertificates: true })).to.deep.equal([]);
    expect(refused({ match })).to.deep.equal([
      'Nobody is spiffe://mcpx/qa here: the gateway asks agents for no certificates. Set ' +
        'gateway.tls.clients to the certificates of who signs agents, or match a header.',
    ]);
  });
});
