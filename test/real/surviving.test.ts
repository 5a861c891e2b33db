/** Registries that fail under a whole MCPX that serves: agents feel nothing, operators are told. */
import { expect } from 'chai';
import { temporaryFolder, type Folder } from './parts/child.js';
import { startConsul, type RealConsul } from './parts/consul.js';
import { startEtcd, type RealEtcd } from './parts/etcd.js';
import {
  callable,
  gone,
  heard,
  inConsul,
  inEtcd,
  lost,
  problemsOf,
  readyOf,
  underLoadUnharmed,
} from './parts/enduring.js';
import { underLoad } from './parts/load.js';
import { eventually, launchMcpx, startMcpx, type Mcpx } from './parts/mcpx.js';
import { listenerOf } from './parts/processes.js';
import { startServer, stopServers, type ReferenceServer } from './parts/servers.js';

describe('registries that fail while agents call', function () {
  this.timeout(90_000);
  let consul: RealConsul;
  let etcd: RealEtcd;
  let mcpx: Mcpx;
  let server: ReferenceServer;

  before(async () => {
    [consul, etcd, server] = await Promise.all([startConsul(), startEtcd(), startServer()]);
    await inConsul(consul, 'by-consul', server.port);
    await inEtcd(etcd, 'by-etcd', server.url);
    const registry = {
      consul: { address: consul.address },
      etcd: { endpoints: [etcd.address] },
      write: 'etcd',
      suddenLoss: { hold: '10m' },
    };
    mcpx = await startMcpx({ settings: { registry } });
    await Promise.all(['by-consul', 'by-etcd'].map((name) => callable(mcpx, name)));
  });
  after(async () => {
    await mcpx.stop();
    await Promise.all([consul.stop(), etcd.stop(), stopServers()]);
  });

  /** Agents call what is registered in both. */
  const unharmed = (happens: () => Promise<void>) =>
    underLoadUnharmed(mcpx, ['by-consul', 'by-etcd'], happens);

  it('Consul crashes and comes back empty: what it held stays until it is back', async () => {
    await unharmed(async () => {
      await consul.kill();
      await lost(mcpx, 'consul');
      await consul.start();
      await heard(mcpx, 'consul');
      await eventually('it is told what is held', async () =>
        (await problemsOf(mcpx, 'consul')).includes('registry_loss_held'),
      );
      await inConsul(consul, 'newcomer', server.port);
      await callable(mcpx, 'newcomer');
      expect(await problemsOf(mcpx, 'consul')).to.include('registry_loss_held');
      await inConsul(consul, 'by-consul', server.port);
      await eventually('nothing is held any more', async () => {
        return (await problemsOf(mcpx, 'consul')).length === 0;
      });
      await consul.deregister('newcomer');
      await gone(mcpx, 'newcomer');
    });
  });

  it('Consul comes back full, with a lower index', async () => {
    await unharmed(async () => {
      for (let times = 0; times < 50; times++)
        await consul.client.kv.set('elsewhere', String(times));
      await consul.kill();
      await lost(mcpx, 'consul');
      await consul.start();
      await inConsul(consul, 'by-consul', server.port);
      await heard(mcpx, 'consul');
      await inConsul(consul, 'later', server.port);
      await callable(mcpx, 'later');
      await consul.deregister('later');
      await gone(mcpx, 'later');
    });
  });

  it('Consul stops answering and goes on', async () => {
    await unharmed(async () => {
      consul.pause();
      await lost(mcpx, 'consul');
      consul.resume();
      await heard(mcpx, 'consul');
    });
    expect(await problemsOf(mcpx, 'consul')).to.deep.equal([]);
  });

  it('etcd crashes and comes back, and what changed meanwhile is noticed', async () => {
    await unharmed(async () => {
      await inEtcd(etcd, 'short-lived', server.url);
      await callable(mcpx, 'short-lived');
      await etcd.kill();
      await lost(mcpx, 'etcd');
      await etcd.start();
      await etcd.client.delete().prefix('/mcpx/instances/short-lived/');
      await heard(mcpx, 'etcd');
      await gone(mcpx, 'short-lived');
    });
  });

  it('etcd stops answering and goes on', async () => {
    await unharmed(async () => {
      etcd.pause();
      await lost(mcpx, 'etcd');
      etcd.resume();
      await heard(mcpx, 'etcd');
      await inEtcd(etcd, 'after-pause', server.url);
      await callable(mcpx, 'after-pause');
      await etcd.client.delete().prefix('/mcpx/instances/after-pause/');
      await gone(mcpx, 'after-pause');
    });
  });

  it('etcd compacts away what a slow watcher has not read: all is listed anew', async () => {
    const controlPlane = listenerOf(mcpx.admin);
    const filler = 'x'.repeat(10_000);
    await unharmed(async () => {
      await inEtcd(etcd, 'overtaken', server.url);
      await callable(mcpx, 'overtaken');
      process.kill(controlPlane, 'SIGSTOP');
      try {
        // More than etcd buffers for a watcher (1024 changes), so that it falls behind.
        const put = async () => etcd.client.put('/mcpx/elsewhere').value(filler);
        for (let times = 0; times < 40; times++) await Promise.all(Array.from({ length: 50 }, put));
        await etcd.client.delete().prefix('/mcpx/instances/overtaken/');
        const { header } = await etcd.client.put('/mcpx/elsewhere').value('');
        await etcd.client.kv.compact({ revision: header.revision, physical: true });
      } finally {
        process.kill(controlPlane, 'SIGCONT');
      }
      await gone(mcpx, 'overtaken');
      await eventually('the compaction was met', () => mcpx.output().includes('when it compacts'));
      await heard(mcpx, 'etcd');
    });
  });
});

describe('a registry that keeps its data', function () {
  this.timeout(90_000);

  it('comes back full, and nothing is held', async () => {
    const [consul, server] = await Promise.all([
      startConsul({ keepsData: true }),
      startServer({ name: 'kept' }),
    ]);
    await inConsul(consul, 'kept', server.port);
    const mcpx = await startMcpx({
      settings: { registry: { consul: { address: consul.address } } },
    });
    try {
      await callable(mcpx, 'kept');
      const calls = await underLoad(`${mcpx.gateway}/mcp/kept`, async () => {
        await consul.kill();
        await lost(mcpx, 'consul');
        await consul.start();
        await heard(mcpx, 'consul');
        await inConsul(consul, 'later', server.port);
        await callable(mcpx, 'later');
      });
      expect(calls.failures).to.deep.equal([]);
      expect(mcpx.output()).not.to.include('registry_loss_held');
    } finally {
      await mcpx.stop();
      await Promise.all([consul.stop(), stopServers()]);
    }
  });
});

describe('a registry that comes back empty and stays so', function () {
  this.timeout(90_000);

  it('is believed after the grace', async () => {
    const [consul, server] = await Promise.all([startConsul(), startServer()]);
    await inConsul(consul, 'fading', server.port);
    const registry = { consul: { address: consul.address }, suddenLoss: { hold: '1s' } };
    const mcpx = await startMcpx({ settings: { registry } });
    try {
      await callable(mcpx, 'fading');
      await consul.kill();
      await lost(mcpx, 'consul');
      await consul.start();
      await gone(mcpx, 'fading');
      expect(mcpx.output()).to.include('registry_loss_held');
      await eventually('all is well', async () => {
        return (await problemsOf(mcpx, 'consul')).length === 0;
      });
    } finally {
      await mcpx.stop();
      await Promise.all([consul.stop(), stopServers()]);
    }
  });
});

describe('a registry that is away when MCPX starts', function () {
  this.timeout(90_000);
  let consul: RealConsul;
  let folder: Folder;
  let server: ReferenceServer;
  let mcpx: Mcpx | undefined;

  before(async () => {
    [consul, folder, server] = await Promise.all([
      startConsul(),
      temporaryFolder('survivor'),
      startServer(),
    ]);
  });
  afterEach(async () => mcpx?.stop());
  after(async () => {
    await Promise.all([consul.stop(), folder.remove(), stopServers()]);
  });

  /** The data folder outlives it. */
  const launch = async () =>
    launchMcpx({
      settings: { data: folder.path, registry: { consul: { address: consul.address } } },
    });

  const answers = (started: Mcpx, status: number, ...words: readonly string[]) =>
    eventually(`/readyz answers ${status} with ${words.join(', ')}`, async () => {
      const ready = await readyOf(started);
      return ready.status === status && words.every((word) => ready.text.includes(word));
    });

  it('keeps it unready where nothing is kept, and /readyz says which and why', async () => {
    await consul.kill();
    mcpx = await launch();
    await answers(mcpx, 503, 'consul', 'ECONNREFUSED');
    await consul.start();
    await inConsul(consul, 'first', server.port);
    await answers(mcpx, 200, '"ready"');
    await callable(mcpx, 'first');
  });

  it('serves what is kept, says that it is stale, and replaces it once it is heard', async () => {
    await consul.kill();
    mcpx = await launch();
    await answers(mcpx, 200, '"stale"', 'consul', 'ECONNREFUSED');
    await callable(mcpx, 'first');
    const staleNow = async () => await (await fetch(`${mcpx?.admin}/metrics`)).text();
    expect(await staleNow()).to.match(/^mcpx_stale 1$/m);
    await consul.start();
    await inConsul(consul, 'second', server.port);
    await answers(mcpx, 200, '"ready"');
    await callable(mcpx, 'second');
    expect(await staleNow()).to.match(/^mcpx_stale 0$/m);
  });
});
