import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Rollout } from '../../../src/fleet/rollout.js';
import { rolloutOf } from '../../unit/fleet/registered.js';
import { watching } from '../../unit/registry/watching.js';
import { registriesOfSuite } from '../parts/registries.js';

const held = [{ node: 'edge-1', refused: true, by: 'replica-1', at: 5 }];
const rollout = (changes: Partial<Rollout> = {}) => rolloutOf('claims', changes);

describe('rollouts in a registry', function () {
  this.timeout(30_000);
  const { folder, kinds } = registriesOfSuite();

  for (const [name, registry] of Object.entries(kinds)) {
    it(`of ${name}: what is kept comes back through the watch, to every replica`, async () => {
      const [one, other] = [registry(), registry()];
      const [seen, seenByOther] = [watching(one), watching(other)];
      expect(await one.keepRollout(rollout({ held }), undefined)).to.have.property('ok', true);
      for (const each of [seen, seenByOther]) {
        const { rollouts } = await each.report((report) => report.rollouts.size > 0);
        expect(rollouts.get('claims')?.current).to.deep.include({ to: '2.0.0', held });
      }
    });

    it(`of ${name}: of two who go on from the same state one wins, the other is told`, async () => {
      const one = registry();
      // A file belongs to one control plane: there the two are two operators of it.
      const other = name === 'file' ? one : registry();
      const next = [rollout({ step: 1 }), rollout({ phase: 'paused' })];
      const outcomes = await Promise.all([
        one.keepRollout(next[0]!, rollout({ held })),
        other.keepRollout(next[1]!, rollout({ held })),
      ]);
      expect(outcomes.map(({ ok }) => ok).sort()).to.deep.equal([false, true]);
      const told = outcomes.flatMap((each) => (each.ok ? [] : each.problems));
      expect(told.map(({ code }) => code)).to.deep.equal(['write_conflict']);
      const winner = outcomes[0].ok ? next[0]! : next[1]!;
      const again = await one.keepRollout(rollout({ phase: 'promoted' }), winner);
      expect(again.ok, 'whoever looked again may go on').to.equal(true);
    });
  }

  it('that cannot be read is a problem, and what it said before stays', async () => {
    const path = join(folder, 'rollouts.json');
    const seen = watching(kinds.file());
    const before = await seen.report(({ rollouts }) => rollouts.size > 0);
    writeFileSync(path, JSON.stringify({ claims: { current: { id: 1 } } }));
    const after = await seen.report(({ problems }) => problems.length > 0);
    expect(after.problems[0]?.message).to.include('The rollout of claims cannot be read');
    expect(after.rollouts.get('claims')).to.equal(before.rollouts.get('claims'));
  });
});
