import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Rollout } from '../../../src/fleet/rollout.js';
import { silentLog } from '../../../src/log.js';
import { createConsulRegistry } from '../../../src/registry/consul.js';
import { createEtcdRegistry } from '../../../src/registry/etcd.js';
import { createFileRegistry } from '../../../src/registry/file.js';
import type { Registry } from '../../../src/registry/registry.js';
import { rolloutOf } from '../../unit/fleet/registered.js';
import { anyTarget, watching } from '../../unit/registry/watching.js';
import { startConsul, type RealConsul } from '../parts/consul.js';
import { startEtcd, type RealEtcd } from '../parts/etcd.js';

const common = { allowedTargets: anyTarget, log: silentLog };

const rollout = (changes: Partial<Rollout> = {}) => rolloutOf('claims', changes);

describe('rollouts in a registry', function () {
  this.timeout(30_000);
  const folder = mkdtempSync(join(tmpdir(), 'mcpx-rollouts-'));
  let consul: RealConsul;
  let etcd: RealEtcd;
  let open: Registry[] = [];

  before(async () => {
    [consul, etcd] = await Promise.all([startConsul(), startEtcd()]);
  });
  after(async () => {
    await Promise.all([consul.stop(), etcd.stop()]);
    rmSync(folder, { recursive: true, force: true });
  });
  afterEach(async () => {
    await Promise.all(open.map((registry) => registry.close()));
    open = [];
  });

  const kinds: Readonly<Record<string, () => Registry>> = {
    file: () => createFileRegistry({ path: join(folder, 'services.yaml'), ...common }),
    consul: () =>
      createConsulRegistry({ address: consul.address, token: '', datacenter: '', ...common }),
    etcd: () => createEtcdRegistry({ endpoints: [etcd.address], prefix: '/mcpx', ...common }),
  };

  for (const [name, create] of Object.entries(kinds)) {
    const registry = (): Registry => {
      const created = create();
      open.push(created);
      return created;
    };

    it(`of ${name}: what is kept comes back through the watch, to every replica`, async () => {
      const [one, other] = [registry(), registry()];
      const [seen, seenByOther] = [watching(one), watching(other)];
      expect(await one.keepRollout(rollout(), undefined)).to.have.property('ok', true);
      for (const each of [seen, seenByOther]) {
        const { rollouts } = await each.report((report) => report.rollouts.size > 0);
        expect(rollouts.get('claims')?.current.to).to.equal('2.0.0');
      }
    });

    it(`of ${name}: of two who go on from the same state one wins, the other is told`, async () => {
      const one = registry();
      // A file belongs to one control plane: there the two are two operators of it.
      const other = name === 'file' ? one : registry();
      const next = [rollout({ step: 1 }), rollout({ phase: 'paused' })];
      const outcomes = await Promise.all([
        one.keepRollout(next[0]!, rollout()),
        other.keepRollout(next[1]!, rollout()),
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
    const registry = kinds['file']!();
    open.push(registry);
    const seen = watching(registry);
    const before = await seen.report(({ rollouts }) => rollouts.size > 0);
    writeFileSync(path, JSON.stringify({ claims: { current: { id: 1 } } }));
    const after = await seen.report(({ problems }) => problems.length > 0);
    expect(after.problems[0]?.message).to.include('The rollout of claims cannot be read');
    expect(after.rollouts.get('claims')).to.equal(before.rollouts.get('claims'));
  });
});
