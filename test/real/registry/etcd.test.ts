import { expect } from 'chai';
import { silentLog } from '../../../src/log.js';
import { createEtcdRegistry } from '../../../src/registry/etcd.js';
import type { Registry } from '../../../src/registry/registry.js';
import { anyTarget, claims, holds, instance, watching } from '../../unit/registry/watching.js';
import { startEtcd, type RealEtcd } from '../parts/etcd.js';

const key = '/mcpx/instances/claims/one';

describe('etcd as a registry', function () {
  this.timeout(30_000);
  let etcd: RealEtcd;
  let open: Registry[] = [];

  before(async () => {
    etcd = await startEtcd();
  });
  after(async () => etcd.stop());
  afterEach(async () => {
    await Promise.all(open.map((registry) => registry.close()));
    open = [];
    await etcd.client.delete().all();
  });

  function registry(): Registry {
    const created = createEtcdRegistry({
      endpoints: [etcd.address],
      prefix: '/mcpx',
      allowedTargets: anyTarget,
      log: silentLog,
    });
    open.push(created);
    return created;
  }

  const put = async (at: string, document: unknown): Promise<unknown> =>
    etcd.client.put(at).value(JSON.stringify(document));

  it('reports an empty registry as soon as it was read', async () => {
    const seen = watching(registry());
    await seen.report(holds());
    await seen.hearing.when(({ state }) => state === 'heard');
  });

  it('reports what is there, what comes and what is deleted', async () => {
    await put(key, claims());
    const seen = watching(registry());
    const first = await seen.report(holds('one'));
    expect(instance(first, 'one')).to.include({
      source: 'etcd',
      name: 'claims',
      host: '10.0.0.7',
      port: 3000,
      checkedBy: 'envoy',
      passing: true,
    });
    await put('/mcpx/instances/policies/two', claims({ name: 'policies' }));
    const second = await seen.report(holds('one', 'two'));
    expect(instance(second, 'one')).to.equal(instance(first, 'one'));
    await etcd.client.delete().key(key);
    await seen.report(holds('two'));
  });

  it('forgets an instance whose lease expires', async () => {
    const lease = etcd.client.lease(1, { autoKeepAlive: false });
    lease.on('lost', () => undefined);
    await lease.put(key).value(JSON.stringify(claims()));
    const seen = watching(registry());
    await seen.report(holds('one'));
    await seen.report(holds());
  });

  it('keeps the last good form of an instance gone wrong, and says what is wrong', async () => {
    await put(key, claims());
    const seen = watching(registry());
    const first = await seen.report(holds('one'));
    await put(key, claims({ traffic: { timeout: 30 } }));
    const second = await seen.report(({ problems }) => problems.length > 0);
    expect(instance(second, 'one')).to.equal(instance(first, 'one'));
    expect(second.problems[0]?.subject).to.deep.equal({
      source: 'etcd',
      service: 'claims',
      instance: 'one',
      path: 'traffic.timeout',
    });
  });

  it('takes no newcomer that is wrong: no JSON, another name than its key, no id', async () => {
    await etcd.client.put('/mcpx/instances/claims/broken').value('{');
    await put('/mcpx/instances/claims/other', claims({ name: 'policies' }));
    await put('/mcpx/instances/claims', claims());
    const seen = watching(registry());
    const report = await seen.report(({ problems }) => problems.length === 3);
    expect(report.registrations).to.deep.equal([]);
    expect(report.problems.map(({ subject }) => subject.instance ?? subject.path)).to.have.members([
      'broken',
      'other',
      'instances/claims',
    ]);
  });

  it('reads the policy of a service, and keeps the last good one', async () => {
    await put('/mcpx/services/claims', { traffic: { timeout: '5s' } });
    const seen = watching(registry());
    const report = await seen.report(({ policies }) => policies.size === 1);
    expect(report.policies.get('claims')?.traffic).to.deep.include({
      timeoutMs: 5_000,
      retries: 3,
    });
    await put('/mcpx/services/claims', { trafic: {} });
    const later = await seen.report(({ problems }) => problems.length === 1);
    expect(later.policies.get('claims')).to.equal(report.policies.get('claims'));
    expect(later.problems[0]?.message).to.include('did you mean traffic?');
  });

  it('does not report what changes nothing', async () => {
    await put(key, claims());
    const seen = watching(registry());
    await seen.report(holds('one'));
    await put(key, claims());
    await put('/mcpx/somebody/claims', {});
    await put('/mcpx/instances/claims/two', claims());
    await seen.report(holds('one', 'two'));
    expect(seen.reports).to.have.lengthOf(2);
  });

  it('registers and removes by compare-and-set, and both come back through the watch', async () => {
    const etcdRegistry = registry();
    const seen = watching(etcdRegistry);
    const added = await etcdRegistry.put(claims());
    expect(added.ok && added.value.registration.id).to.equal('10.0.0.7:3000');
    expect(added.ok && added.value.change).to.equal('added');
    await seen.report(holds('10.0.0.7:3000'));
    const again = await etcdRegistry.put(claims());
    expect(again.ok && again.value.change).to.equal('unchanged');
    const replaced = await etcdRegistry.put(claims({ weight: 7 }));
    expect(replaced.ok && replaced.value.change).to.equal('replaced');
    await seen.report((report) => instance(report, '10.0.0.7:3000')?.weight === 7);
    const removed = await etcdRegistry.remove('claims');
    expect(removed).to.deep.equal({ ok: true, value: ['10.0.0.7:3000'] });
    await seen.report(holds());
    const absent = await etcdRegistry.remove('claims');
    expect(!absent.ok && absent.problems[0]?.code).to.equal('not_found');
  });

  it('of two writers at once one gets a conflict, and nothing is mixed up', async () => {
    const writers = [registry(), registry()];
    const outcomes = await Promise.all(
      writers.map((writer, index) => writer.put(claims({ weight: index + 1 }))),
    );
    const conflicts = outcomes.flatMap((outcome) => (outcome.ok ? [] : outcome.problems));
    expect(conflicts.map(({ code }) => code)).to.deep.equal(
      conflicts.length === 0 ? [] : ['write_conflict'],
    );
    const held = await etcd.client.getAll().prefix('/mcpx/').json();
    expect(Object.keys(held)).to.have.lengthOf(1);
  });

  it('refuses a wrong document whole, and leaves leased instances to their servers', async () => {
    const etcdRegistry = registry();
    const wrong = await etcdRegistry.put(claims({ name: 'A_b', weight: 0 }));
    expect(!wrong.ok && wrong.problems.map(({ subject }) => subject.path)).to.deep.equal([
      'name',
      'weight',
    ]);
    const lease = etcd.client.lease(60);
    await lease.put(key).value(JSON.stringify(claims()));
    for (const refused of [await etcdRegistry.put(claims()), await etcdRegistry.remove('claims')])
      expect(!refused.ok && refused.problems[0]?.code).to.equal('write_conflict');
    await lease.revoke();
  });

  it('lists anew after etcd was away, and keeps its last report meanwhile', async () => {
    await put(key, claims());
    const seen = watching(registry());
    await seen.report(holds('one'));
    await etcd.kill();
    await seen.hearing.when(({ state }) => state === 'lost');
    expect(seen.reports).to.have.lengthOf(1);
    const unwritten = await open[0]!.put(claims());
    expect(!unwritten.ok && unwritten.problems[0]?.code).to.equal('registry_unreachable');
    await etcd.start();
    await seen.hearing.when(({ state }) => state === 'heard');
    await put('/mcpx/instances/claims/two', claims());
    await seen.report(holds('one', 'two'));
  });
});
