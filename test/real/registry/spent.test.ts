import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Etcd3 } from 'etcd3';
import type { Registry } from '../../../src/registry/registry.js';
import { registriesOfSuite } from '../parts/registries.js';

const minute = 60_000;

describe('what is good for once, in a registry', function () {
  this.timeout(30_000);
  const { folder, consul, etcd, kinds } = registriesOfSuite();
  const valueOf = async (spending: ReturnType<Registry['spend']>): Promise<boolean> => {
    const outcome = await spending;
    if (!outcome.ok) throw new Error(outcome.problems[0]?.message);
    return outcome.value;
  };

  for (const [name, create] of Object.entries(kinds)) {
    it(`of ${name}: is taken from the first, also where many replicas ask at once`, async () => {
      // A file belongs to one control plane.
      const one = create();
      const replicas = [one, ...[1, 2].map(() => (name === 'file' ? one : create()))];
      const asked = replicas.map((each) => valueOf(each.spend('at-once', Date.now() + minute)));
      expect((await Promise.all(asked)).filter(Boolean)).to.have.length(1);
      expect(await valueOf(one.spend('at-once', Date.now() + minute))).to.equal(false);
      expect(await valueOf(one.spend('another', Date.now() + minute))).to.equal(true);
    });
  }

  it('of a file: outlives a restart, and is forgotten long after its end', async () => {
    const long = Date.now() - 3 * 60 * minute;
    await valueOf(kinds.file().spend('ended', long));
    await valueOf(kinds.file().spend('lasting', Date.now() + minute));
    expect(await valueOf(kinds.file().spend('lasting', 1))).to.equal(false);
    await valueOf(kinds.file().spend('later', Date.now() + minute));
    const kept = JSON.parse(readFileSync(join(folder, 'spent.json'), 'utf8')) as object;
    expect(Object.keys(kept)).to.include.members(['lasting', 'later']).and.not.include('ended');
  });

  it('of a file: cannot be told where the file cannot be read, and says what to do', async () => {
    const path = join(folder, 'services.broken.yaml');
    writeFileSync(join(folder, 'spent.broken.json'), '{"half');
    const spent = await kinds.file(path).spend('any', 1);
    expect(spent.ok || spent.problems[0]?.message).to.contain('spent.broken.json cannot be read');
  });

  it('of Consul: is forgotten long after its end', async () => {
    const registry = kinds.consul();
    await valueOf(registry.spend('ended', Date.now() - 3 * 60 * minute));
    await valueOf(registry.spend('lasting', Date.now() + minute));
    const left = await consul().client.kv.keys('mcpx/spent/');
    expect(left).to.include('mcpx/spent/lasting').and.not.include('mcpx/spent/ended');
  });

  it('of etcd: has a lease that outlasts its end, which nobody prolongs', async () => {
    await valueOf(kinds.etcd().spend('leased', Date.now() + minute));
    const client = new Etcd3({ hosts: etcd().address });
    const [kept] = (await client.get('/mcpx/spent/leased').exec()).kvs;
    const { TTL } = await client.leaseClient.leaseTimeToLive({ ID: kept?.lease ?? '0' });
    client.close();
    expect(Number(TTL)).to.be.within(60 * 60, 62 * 60);
  });

  for (const name of ['consul', 'etcd'] as const)
    it(`of ${name}: cannot be told where it cannot be reached`, async () => {
      const spent = await kinds[name]('http://127.0.0.1:1').spend('any', 1);
      const codes = spent.ok ? [] : spent.problems.map(({ code }) => code);
      expect(codes).to.deep.equal(['registry_unreachable']);
    });
});
