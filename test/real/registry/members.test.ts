/** Members of a cluster that holds the registry are lost: agents feel nothing, new Envoys too. */
import { Etcd3 } from 'etcd3';
import { startConsulCluster, startEtcdCluster, type Cluster } from '../parts/cluster.js';
import { callable, gone, heard, inEtcd, lost, underLoadUnharmed } from '../parts/enduring.js';
import { startMcpx, type Mcpx } from '../parts/mcpx.js';
import { listenerOf } from '../parts/processes.js';
import { startServer, stopServers, type ReferenceServer } from '../parts/servers.js';

describe('a cluster that holds the registry and loses members', function () {
  this.timeout(120_000);
  let server: ReferenceServer;
  let cluster: Cluster;
  let mcpx: Mcpx;

  beforeEach(async () => {
    server = await startServer();
  });
  afterEach(async () => {
    await mcpx.stop();
    await Promise.all([cluster.stop(), stopServers()]);
  });

  /** The one that `mcpx up` starts in place of it knows nothing yet. */
  async function aNewEnvoyServes(name: string): Promise<void> {
    process.kill(listenerOf(mcpx.envoyAdmin), 'SIGKILL');
    await callable(mcpx, name);
  }

  it('Consul without a leader: the last good stays, until there is one again', async () => {
    cluster = await startConsulCluster();
    const [address = ''] = cluster.addresses;
    const register = async (Name: string) => {
      const where = { Address: '127.0.0.1', Port: server.port };
      const service = { ID: Name, Name, ...where, Tags: ['mcp'], Meta: { 'mcp-version': '1.0.0' } };
      const body = JSON.stringify(service);
      await fetch(`${address}/v1/agent/service/register`, { method: 'PUT', body });
    };
    await register('resident');
    mcpx = await startMcpx({ settings: { registry: { consul: { address } } } });
    await callable(mcpx, 'resident');
    const others = cluster.members.slice(1);
    await underLoadUnharmed(mcpx, ['resident'], async () => {
      for (const member of others) await member.kill();
      await lost(mcpx, 'consul');
    });
    await aNewEnvoyServes('resident');
    await underLoadUnharmed(mcpx, ['resident'], async () => {
      await Promise.all(others.map((member) => member.start()));
      await heard(mcpx, 'consul');
      await register('later');
      await callable(mcpx, 'later');
    });
  });

  it('etcd loses each member in turn: nobody notices; then two: the last good stays', async () => {
    cluster = await startEtcdCluster();
    const endpoints = [...cluster.addresses];
    const clients = endpoints.map((hosts) => new Etcd3({ hosts }));
    try {
      const [client] = clients as [Etcd3];
      await inEtcd({ client }, 'resident', server.url);
      mcpx = await startMcpx({ settings: { registry: { etcd: { endpoints } } } });
      await callable(mcpx, 'resident');
      await underLoadUnharmed(mcpx, ['resident'], async () => {
        for (const [index, member] of cluster.members.entries()) {
          await member.kill();
          const other = clients[(index + 1) % clients.length]!;
          await inEtcd({ client: other }, `without-${index}`, server.url);
          await callable(mcpx, `without-${index}`);
          await member.start();
        }
        const [first, second] = cluster.members as [Cluster['members'][0], Cluster['members'][0]];
        await Promise.all([first.kill(), second.kill()]);
        await lost(mcpx, 'etcd');
      });
      await aNewEnvoyServes('resident');
      await underLoadUnharmed(mcpx, ['resident'], async () => {
        await Promise.all(cluster.members.slice(0, 2).map((member) => member.start()));
        await heard(mcpx, 'etcd');
        await clients[2]!.delete().prefix('/mcpx/instances/without-0/');
        await gone(mcpx, 'without-0');
      });
    } finally {
      for (const client of clients) client.close();
    }
  });
});
