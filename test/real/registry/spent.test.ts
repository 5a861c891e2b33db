import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Etcd3 } from 'etcd3';
import { silentLog } from '../../../src/log.js';
import { createConsulRegistry } from '../../../src/registry/consul.js';
import { createEtcdRegistry } from '../../../src/registry/etcd.js';
import { createFileRegistry } from '../../../src/registry/file.js';
import type { Registry } from '../../../src/registry/registry.js';
import { anyTarget } from '../../unit/registry/watching.js';
import { startConsul, type RealConsul } from '../parts/consul.js';
import { startEtcd, type RealEtcd } from '../parts/etcd.js';

const common = { allowedTargets: anyTarget, log: silentLog };
const minute = 60_000;

describe('what is good for once, in a registry', function () {
  this.timeout(30_000);
  const folder = mkdtempSync(join(tmpdir(), 'mcpx-spent-'));
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

  const kinds = {
    file: () => createFileRegistry({ path: join(folder, 'services.yaml'), ...common }),
    consul: (address = consul.address) =>
      createConsulRegistry({ address, token: '', datacenter: '', ...common }),
    etcd: (address = etcd.address) =>
      createEtcdRegistry({ endpoints: [address], prefix: '/mcpx', ...common }),
  };
  const opened = (registry: Registry): Registry => {
    open.push(registry);
    return registry;
  };
  const valueOf = async (spending: ReturnType<Registry['spend']>): Promise<boolean> => {
    const outcome = await spending;
    if (!outcome.ok) throw new Error(outcome.problems[0]?.message);
    return outcome.value;
  };

  for (const [name, create] of Object.entries(kinds)) {
    it(`of ${name}: is taken from the first, also where many replicas ask at once`, async () => {
      // A file belongs to one control plane.
      const one = opened(create());
      const replicas = [one, ...[1, 2].map(() => (name === 'file' ? one : opened(create())))];
      const asked = replicas.map((each) => valueOf(each.spend('at-once', Date.now() + minute)));
      expect((await Promise.all(asked)).filter(Boolean)).to.have.length(1);
      expect(await valueOf(one.spend('at-once', Date.now() + minute))).to.equal(false);
      expect(await valueOf(one.spend('another', Date.now() + minute))).to.equal(true);
    });
  }

  it('of a file: outlives a restart, and is forgotten long after its end', async () => {
    const long = Date.now() - 3 * 60 * minute;
    await valueOf(opened(kinds.file()).spend('ended', long));
    await valueOf(opened(kinds.file()).spend('lasting', Date.now() + minute));
    expect(await valueOf(opened(kinds.file()).spend('lasting', 1))).to.equal(false);
    await valueOf(opened(kinds.file()).spend('later', Date.now() + minute));
    const kept = JSON.parse(readFileSync(join(folder, 'spent.json'), 'utf8')) as object;
    expect(Object.keys(kept)).to.include.members(['lasting', 'later']).and.not.include('ended');
  });

  it('of a file: cannot be told where the file cannot be read, and says what to do', async () => {
    const path = join(folder, 'services.broken.yaml');
    writeFileSync(join(folder, 'spent.broken.json'), '{"half');
    const spent = await opened(createFileRegistry({ path, ...common })).spend('any', 1);
    expect(spent.ok || spent.problems[0]?.message).to.contain('spent.broken.json cannot be read');
  });

  it('of Consul: is forgotten long after its end', async () => {
    const registry = opened(kinds.consul());
    await valueOf(registry.spend('ended', Date.now() - 3 * 60 * minute));
    await valueOf(registry.spend('lasting', Date.now() + minute));
    const left = await consul.client.kv.keys('mcpx/spent/');
    expect(left).to.include('mcpx/spent/lasting').and.not.include('mcpx/spent/ended');
  });

  it('of etcd: has a lease that outlasts its end, which nobody prolongs', async () => {
    await valueOf(opened(kinds.etcd()).spend('leased', Date.now() + minute));
    const client = new Etcd3({ hosts: etcd.address });
    const [kept] = (await client.get('/mcpx/spent/leased').exec()).kvs;
    const { TTL } = await client.leaseClient.leaseTimeToLive({ ID: kept?.lease ?? '0' });
    client.close();
    expect(Number(TTL)).to.be.within(60 * 60, 62 * 60);
  });

  for (const name of ['consul', 'etcd'] as const)
    it(`of ${name}: cannot be told where it cannot be reached`, async () => {
      const spent = await opened(kinds[name]('http://127.0.0.1:1')).spend('any', 1);
      const codes = spent.ok ? [] : spent.problems.map(({ code }) => code);
      expect(codes).to.deep.equal(['registry_unreachable']);
    });
});
