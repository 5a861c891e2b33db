import { expect } from 'chai';
import { silentLog } from '../../../src/log.js';
import { createConsulRegistry } from '../../../src/registry/consul.js';
import type { Registry } from '../../../src/registry/registry.js';
import { anyTarget, claims, holds, instance, watching } from '../../unit/registry/watching.js';
import { startConsul, type RealConsul, type ConsulService } from '../parts/consul.js';

function service(fields: Partial<ConsulService> = {}): ConsulService {
  return {
    ID: 'claims-1',
    Name: 'claims',
    Address: '10.0.0.7',
    Port: 3000,
    Tags: ['mcp', 'pii'],
    Meta: { 'mcp-version': '2.1.0', team: 'marine' },
    ...fields,
  };
}

const Check = { CheckID: 'check', TTL: '10m', Status: 'passing' } as const;

describe('Consul as a registry', function () {
  this.timeout(30_000);
  let consul: RealConsul;
  let kv: RealConsul['client']['kv'];
  let open: Registry[] = [];

  before(async () => {
    consul = await startConsul();
    ({ kv } = consul.client);
  });
  after(async () => consul.stop());
  afterEach(async () => {
    await Promise.all(open.map((registry) => registry.close()));
    open = [];
    for (const id of ['claims-1', 'claims-2', 'plain'])
      await consul.deregister(id).catch(() => undefined);
    for (const key of ['mcpx/', 'mcpx-staging/']) await kv.del({ key, recurse: true });
  });

  function registry(environment?: string): Registry {
    const created = createConsulRegistry({
      address: consul.address,
      token: '',
      datacenter: '',
      environment,
      allowedTargets: anyTarget,
      log: silentLog,
    });
    open.push(created);
    return created;
  }

  it('reports the services with the tag mcp, and only those', async () => {
    await consul.register(service());
    await consul.register(service({ ID: 'plain', Name: 'plain', Tags: [] }));
    const seen = watching(registry());
    const report = await seen.report(holds('claims-1'));
    expect(instance(report, 'claims-1')).to.deep.include({
      source: 'consul',
      name: 'claims',
      version: '2.1.0',
      host: '10.0.0.7',
      port: 3000,
      path: '/mcp',
      tags: ['pii'],
      metadata: { team: 'marine' },
      checkedBy: 'registry',
      passing: true,
    });
    await seen.hearing.when(({ state }) => state === 'heard');
  });

  it('keeps an environment apart: it has a tag and a folder of its own', async () => {
    await consul.register(service());
    await consul.register(service({ ID: 'claims-2', Tags: ['mcp-staging', 'pii'], Port: 3001 }));
    const staging = registry('staging');
    const [here, there] = [watching(registry()), watching(staging)];
    const report = await there.report(holds('claims-2'));
    expect(instance(report, 'claims-2')?.tags).to.deep.equal(['pii']);
    await here.report(holds('claims-1'));
    const url = 'http://10.0.0.9:3000/mcp';
    const put = await staging.put({ name: 'policies', version: '1.0.0', url });
    expect(put.ok).to.equal(true);
    await there.report(holds('claims-2', '10.0.0.9:3000'));
    expect(await kv.get({ key: 'mcpx-staging/instances/', recurse: true })).to.have.length(1);
    expect(here.reports.at(-1)?.registrations.map(({ id }) => id)).to.deep.equal(['claims-1']);
  });

  it('hears a service come and go', async () => {
    const seen = watching(registry());
    await seen.report(holds());
    await consul.register(service());
    const first = await seen.report(holds('claims-1'));
    await consul.register(service({ ID: 'claims-2', Port: 3001 }));
    const second = await seen.report(holds('claims-1', 'claims-2'));
    expect(instance(second, 'claims-1')).to.equal(instance(first, 'claims-1'));
    await consul.deregister('claims-1');
    await seen.report(holds('claims-2'));
    await consul.deregister('claims-2');
    await seen.report(holds());
  });

  it("lets Consul's checks decide: critical is not passing, warning is", async () => {
    await consul.register(service({ Check }));
    const seen = watching(registry());
    const passes = (expected: boolean) => async () =>
      seen.report((report) => instance(report, 'claims-1')?.passing === expected);
    await passes(true)();
    await consul.setCheck('check', 'critical');
    await passes(false)();
    await consul.setCheck('check', 'warning');
    await passes(true)();
  });

  it('keeps the last good form of a service gone wrong, but follows its checks', async () => {
    await consul.register(service({ Check }));
    const seen = watching(registry());
    await seen.report(holds('claims-1'));
    const Meta = { 'mcp-version': '2', 'mcp-wieght': '7', 'mcp-timeout': '30', 'mcp-path': 'mcp' };
    await consul.register(service({ Check, Meta }));
    const wrong = await seen.report(({ problems }) => problems.length > 0);
    expect(wrong.problems.map(({ subject }) => subject.path)).to.have.members([
      'Meta.mcp-version',
      'Meta.mcp-wieght',
      'Meta.mcp-timeout',
      'Meta.mcp-path',
    ]);
    expect(wrong.problems.map(({ message }) => message).join()).to.include(
      'did you mean mcp-weight',
    );
    expect(instance(wrong, 'claims-1')?.version).to.equal('2.1.0');
    await consul.setCheck('check', 'critical');
    await seen.report((report) => instance(report, 'claims-1')?.passing === false);
  });

  it('reads every field from Meta', async () => {
    const Meta = {
      'mcp-version': '3.0.0',
      'mcp-path': '/v1/mcp',
      'mcp-era': 'modern',
      'mcp-zone': 'eu-west-1a',
      'mcp-weight': '50',
      'mcp-priority': '1',
      'mcp-prefix': 'false',
      'mcp-tools': 'get-*, !get-env',
      'mcp-timeout': '5s',
      'mcp-outlier-errors': '2',
    };
    await consul.register(service({ Meta }));
    const seen = watching(registry());
    const report = await seen.report(holds('claims-1'));
    const found = instance(report, 'claims-1');
    expect(found).to.deep.include({
      version: '3.0.0',
      path: '/v1/mcp',
      era: 'modern',
      zone: 'eu-west-1a',
      weight: 50,
      priority: 1,
      expose: { prefix: false, tools: ['get-*', '!get-env'] },
    });
    expect(found?.traffic.timeoutMs).to.equal(5_000);
    expect(found?.traffic.outlier.consecutiveErrors).to.equal(2);
  });

  it('reads policies and instances from KV', async () => {
    await kv.set('mcpx/services/claims', '{"era": "legacy"}');
    await kv.set('mcpx/instances/claims/one', JSON.stringify(claims()));
    const seen = watching(registry());
    const report = await seen.report(holds('one'));
    expect(report.policies.get('claims')).to.deep.equal({ era: 'legacy' });
    expect(instance(report, 'one')?.checkedBy).to.equal('envoy');
    await kv.set('mcpx/services/claims', '{"era": "old"}');
    const later = await seen.report(({ problems }) => problems.length === 1);
    expect(later.policies.get('claims')).to.deep.equal({ era: 'legacy' });
  });

  it('registers and removes by compare-and-set, and both come back through the watch', async () => {
    const consulRegistry = registry();
    const seen = watching(consulRegistry);
    const added = await consulRegistry.put(claims());
    expect(added.ok && added.value.registration.id).to.equal('10.0.0.7:3000');
    expect(added.ok && added.value.change).to.equal('added');
    await seen.report(holds('10.0.0.7:3000'));
    expect(await kv.get('mcpx/instances/claims/10.0.0.7:3000')).to.have.property('Value');
    const again = await consulRegistry.put(claims());
    expect(again.ok && again.value.change).to.equal('unchanged');
    const replaced = await consulRegistry.put(claims({ weight: 7 }));
    expect(replaced.ok && replaced.value.change).to.equal('replaced');
    await seen.report((report) => instance(report, '10.0.0.7:3000')?.weight === 7);
    const removed = await consulRegistry.remove('claims', '10.0.0.7:3000');
    expect(removed).to.deep.equal({ ok: true, value: ['10.0.0.7:3000'] });
    await seen.report(holds());
    const absent = await consulRegistry.remove('claims');
    expect(!absent.ok && absent.problems[0]?.code).to.equal('not_found');
  });

  it('of two writers at once one gets a conflict', async () => {
    const writers = [registry(), registry(), registry()];
    const outcomes = await Promise.all(
      writers.map((writer, index) => writer.put(claims({ weight: index + 1 }))),
    );
    const conflicts = outcomes.flatMap((outcome) => (outcome.ok ? [] : outcome.problems));
    expect(outcomes.some(({ ok }) => ok)).to.equal(true);
    for (const { code } of conflicts) expect(code).to.equal('write_conflict');
  });

  it("does not write over a service of Consul's own", async () => {
    await consul.register(service());
    const consulRegistry = registry();
    await watching(consulRegistry).report(holds('claims-1'));
    for (const refused of [
      await consulRegistry.put(claims()),
      await consulRegistry.remove('claims'),
    ])
      expect(!refused.ok && refused.problems[0]?.code).to.equal('write_conflict');
  });

  it('keeps its last report while Consul is away, and hears it again after a crash', async () => {
    await consul.register(service());
    const seen = watching(registry());
    await seen.report(holds('claims-1'));
    await consul.kill();
    await seen.hearing.when(({ state }) => state === 'lost');
    expect(seen.reports).to.have.lengthOf(1);
    const unwritten = await open[0]!.put(claims({ url: 'http://10.0.0.8:3000/mcp' }));
    expect(!unwritten.ok && unwritten.problems[0]?.code).to.equal('registry_unreachable');
    await consul.start();
    await seen.hearing.when(({ state }) => state === 'heard');
    await consul.register(service({ ID: 'claims-2' }));
    await seen.report(holds('claims-2'));
  });
});
