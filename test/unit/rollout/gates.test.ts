import { expect } from 'chai';
import { emptyFleet, type Service } from '../../../src/fleet/fleet.js';
import { merge } from '../../../src/fleet/merge.js';
import type { Move } from '../../../src/rollout/advance.js';
import { passGates } from '../../../src/rollout/gates.js';
import { catalogueOf, needing, report, rolloutOf } from '../fleet/registered.js';

const policy = ['1.0.0', '2.0.0'].map((version) => needing(`policy@${version}`));

/** What stands in the way of `policy` 1.0.0 → 2.0.0, where `others` are registered too. */
function obstacles(what: Move, ...others: Parameters<typeof report>[1]): readonly string[] {
  const { fleet } = merge([report('file', [...policy, ...others])], new Map(), emptyFleet);
  const merged = fleet.services.find(({ name }) => name === 'policy');
  const versions = { '1.0.0': catalogueOf('look'), '2.0.0': catalogueOf('look') };
  const probe = { catalogue: versions['2.0.0'], failure: undefined, versions };
  const service: Service = { ...merged!, probe };
  const rollout = rolloutOf('policy').current;
  const passed = passGates({ fleet, service, what, rollout, acceptBreaking: false });
  return passed.ok ? [] : passed.problems.map(({ code, message }) => `${code}: ${message}`);
}

describe('the gates of a rollout', () => {
  for (const what of ['start', 'stage', 'switch', 'finish'] as const)
    it(`${what}: shut while somebody depends on the old version, with the chain shown`, () => {
      expect(obstacles(what)).to.deep.equal([]);
      expect(obstacles(what, needing('claims@1.0.0', 'policy@>=1'))).to.deep.equal([]);
      const [told] = obstacles(what, needing('claims@1.0.0', 'policy@^1'));
      expect(told).to.match(/^dependency_unmet: .*claims@1\.0\.0 → policy@\^1 \(only 2\.0\.0\)/);
    });

  for (const what of ['pause', 'abort', 'rollback', 'promote'] as const)
    it(`${what}: open, whoever depends on what`, () => {
      expect(obstacles(what, needing('claims@1.0.0', 'policy@^1'))).to.deep.equal([]);
    });
});
