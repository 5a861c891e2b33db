/** Most of a registry goes at once: agents go on, until an operator says that it is meant. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { packageFile } from '../../../src/package_file.js';
import { startConsul, type RealConsul } from '../parts/consul.js';
import {
  callable,
  gone,
  heard,
  inConsul,
  lost,
  problemsOf,
  underLoadUnharmed,
} from '../parts/enduring.js';
import { startEtcd, type RealEtcd } from '../parts/etcd.js';
import { eventually, startMcpx, type Mcpx } from '../parts/mcpx.js';
import { listenerOf } from '../parts/processes.js';
import { startServer, stopServers, type ReferenceServer } from '../parts/servers.js';

const run = promisify(execFile);
const count = 10;
const nameOf = (index: number) => `service-${index}`;
const names = Array.from({ length: count }, (_, index) => nameOf(index));
/** 60 %, more than the share that is believed at once. */
const lostNames = names.slice(0, 6);
/** All but the first four: those go at once, and come back when it turns out to be too many. */
const called = [nameOf(4), nameOf(5), nameOf(9)];

describe('most of a registry goes at once', function () {
  this.timeout(90_000);
  let consul: RealConsul;
  let etcd: RealEtcd;
  let mcpx: Mcpx;
  let server: ReferenceServer;

  before(async () => {
    [consul, etcd, server] = await Promise.all([startConsul(), startEtcd(), startServer()]);
    const suddenLoss = { hold: '10m' };
    const where = { consul: { address: consul.address }, etcd: { endpoints: [etcd.address] } };
    mcpx = await startMcpx({ settings: { registry: { ...where, suddenLoss } } });
  });
  after(async () => {
    await mcpx.stop();
    await Promise.all([consul.stop(), etcd.stop(), stopServers()]);
  });

  const allInConsul = async () => {
    for (const name of names) await inConsul(consul, name, server.port);
    for (const name of names) await callable(mcpx, name);
  };

  const held = (source: 'consul' | 'etcd') =>
    eventually(`the loss of ${source} is told`, async () =>
      (await problemsOf(mcpx, source)).includes('registry_loss_held'),
    );
  const allWell = (source: 'consul' | 'etcd') =>
    eventually(`${source} is well`, async () => (await problemsOf(mcpx, source)).length === 0);

  /** As an operator would type it. */
  async function typed(...words: readonly string[]): Promise<string> {
    const program = packageFile('dist/src/main.js');
    const config = ['--config', join(mcpx.data, 'mcpx.yaml')];
    return (await run(process.execPath, [program, ...words, ...config])).stdout;
  }

  const heldGauge = async () => {
    const text = await (await fetch(`${mcpx.admin}/metrics`)).text();
    return /^mcpx_held_instances\{source="consul"\} (\d+)$/m.exec(text)?.[1];
  };

  it('60 % deregister from Consul: held, for a new Envoy too, until it is accepted', async () => {
    await allInConsul();
    await underLoadUnharmed(mcpx, called, async () => {
      for (const name of lostNames) await consul.deregister(name);
      await held('consul');
      expect(await heldGauge()).to.equal('6');
      for (const name of lostNames) await callable(mcpx, name);
    });
    process.kill(listenerOf(mcpx.envoyAdmin), 'SIGKILL');
    for (const name of lostNames) await callable(mcpx, name);
    expect(await typed('registry', 'list')).to.match(/consul +heard .* 6 until \d{4}-/);
    expect(await typed('registry', 'accept', 'consul', '--dry-run')).to.contain(nameOf(5));
    await callable(mcpx, nameOf(5));
    expect(await typed('registry', 'accept', 'consul')).to.contain('Accepted: 6 instances');
    for (const name of lostNames) await gone(mcpx, name);
    await allWell('consul');
    await callable(mcpx, nameOf(9));
  });

  it('60 % deregister from Consul and come back: nothing happened', async () => {
    await allInConsul();
    await underLoadUnharmed(mcpx, called, async () => {
      for (const name of lostNames) await consul.deregister(name);
      await held('consul');
      await allInConsul();
      await allWell('consul');
    });
  });

  it('Consul comes back from a crash with a third of what it held: the rest is held', async () => {
    await allInConsul();
    await underLoadUnharmed(mcpx, [nameOf(0), nameOf(9)], async () => {
      await consul.kill();
      await lost(mcpx, 'consul');
      await consul.start();
      for (const name of names.slice(0, 3)) await inConsul(consul, name, server.port);
      await heard(mcpx, 'consul');
      await held('consul');
      await allInConsul();
      await allWell('consul');
    });
  });

  it('a lease in etcd expires with all its keys: held until they are back', async () => {
    const inEtcd = names.map((name) => `etcd-${name}`);
    const lease = etcd.client.lease(2);
    lease.on('lost', () => undefined);
    const put = async (name: string, under: Pick<typeof lease, 'put'> | typeof etcd.client) => {
      const document = JSON.stringify({ name, version: '1.0.0', url: server.url });
      await under.put(`/mcpx/instances/${name}/1`).value(document);
    };
    for (const name of inEtcd) await put(name, lease);
    for (const name of inEtcd) await callable(mcpx, name);
    await underLoadUnharmed(mcpx, [inEtcd[0]!, inEtcd[9]!], async () => {
      lease.release();
      await held('etcd');
      expect(await etcd.client.getAll().prefix('/mcpx/instances/').keys()).to.deep.equal([]);
      for (const name of inEtcd) await put(name, etcd.client);
      await allWell('etcd');
    });
  });
});

describe('what an operator removes', function () {
  this.timeout(90_000);

  it('by REST goes at once, however much of the registry it is', async () => {
    const [etcd, server] = await Promise.all([startEtcd(), startServer()]);
    const registry = { etcd: { endpoints: [etcd.address] } };
    const mcpx = await startMcpx({ settings: { registry } });
    try {
      for (const name of names)
        await fetch(`${mcpx.admin}/v1/services`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ name, version: '1.0.0', url: server.url }),
        });
      for (const name of names) await callable(mcpx, name);
      for (const name of names)
        await fetch(`${mcpx.admin}/v1/services/${name}`, { method: 'DELETE' });
      for (const name of names) await gone(mcpx, name);
      expect(mcpx.output()).not.to.include('registry_loss_held');
    } finally {
      await mcpx.stop();
      await Promise.all([etcd.stop(), stopServers()]);
    }
  });
});
