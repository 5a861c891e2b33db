/** Registered → callable, from every source, through a real Envoy. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { postCall } from './parts/agent.js';
import { startConsul, type RealConsul } from './parts/consul.js';
import { startEtcd, type RealEtcd } from './parts/etcd.js';
import { underLoad } from './parts/load.js';
import { eventually, startMcpx, type Mcpx } from './parts/mcpx.js';
import { startServer, stopServers, type ReferenceServer } from './parts/servers.js';

describe('a server that registers is called through Envoy', () => {
  let consul: RealConsul;
  let etcd: RealEtcd;
  let mcpx: Mcpx;
  let resident: ReferenceServer;

  before(async () => {
    [consul, etcd, resident] = await Promise.all([startConsul(), startEtcd(), startServer()]);
    mcpx = await startMcpx({
      settings: {
        registry: {
          file: 'services.yaml',
          consul: { address: consul.address },
          etcd: { endpoints: [etcd.address] },
          write: 'etcd',
        },
      },
    });
    await writeFile(join(mcpx.data, 'services.yaml'), entry('resident', resident.url));
    await callable('resident');
  });

  after(async () => {
    await mcpx.stop();
    await Promise.all([consul.stop(), etcd.stop(), stopServers()]);
  });

  const ttlCheck = { checkid: 'checked-ttl', name: 'ttl', ttl: '10m', status: 'passing' };
  const register = async (id: string, name: string, port: number, check?: object) => {
    const meta = { 'mcp-version': '1.0.0' };
    const service = { id, name, tags: ['mcp'], address: '127.0.0.1', port, meta };
    await consul.client.agent.service.register({ ...service, ...(check && { check }) } as never);
  };

  const entry = (name: string, url: string) =>
    `services:\n  - { name: ${name}, version: 1.0.0, url: '${url}' }\n`;

  const statusOf = async (name: string) =>
    (await postCall(`${mcpx.gateway}/mcp/${name}`, 'whoami')).status;
  const callable = (name: string) =>
    eventually(`${name} is callable`, async () => (await statusOf(name)) === 200);
  const gone = (name: string) =>
    eventually(`${name} is gone`, async () => (await statusOf(name)) === 404);
  const onAggregate = (name: string) =>
    eventually(`${name} is on /mcp`, async () => {
      const answer = await postCall(`${mcpx.gateway}/mcp`, `${name}__whoami`);
      const body = await answer.text();
      return answer.status === 200 && body.includes(`"${name}"`);
    });

  it('in Consul, by a service tagged mcp, until it deregisters', async () => {
    const server = await startServer({ name: 'by-consul' });
    const calls = await underLoad(`${mcpx.gateway}/mcp/resident`, async () => {
      await register('by-consul-1', 'by-consul', server.port);
      await callable('by-consul');
      await onAggregate('by-consul');
      await consul.client.agent.service.deregister('by-consul-1');
      await gone('by-consul');
    });
    expect(calls.failures).to.deep.equal([]);
    expect(calls.done).to.be.greaterThan(0);
  });

  it('in Consul, only while its check passes', async () => {
    const server = await startServer({ name: 'checked' });
    await register('checked-1', 'checked', server.port, ttlCheck);
    await callable('checked');
    await consul.client.agent.check.fail('checked-ttl');
    await eventually('it is out', async () => (await statusOf('checked')) === 503);
    await consul.client.agent.check.pass('checked-ttl');
    await callable('checked');
    await consul.client.agent.service.deregister('checked-1');
    await gone('checked');
  });

  it('in etcd, by a key under a lease, until the lease expires', async () => {
    const server = await startServer({ name: 'by-etcd' });
    const lease = etcd.client.lease(2);
    const registration = { name: 'by-etcd', version: '1.0.0', url: server.url };
    const calls = await underLoad(`${mcpx.gateway}/mcp/resident`, async () => {
      await lease.put('/mcpx/instances/by-etcd/1').value(JSON.stringify(registration));
      await callable('by-etcd');
      await onAggregate('by-etcd');
      lease.release();
      await gone('by-etcd');
    });
    expect(calls.failures).to.deep.equal([]);
  });

  it('in the file, while it stands there', async () => {
    const server = await startServer({ name: 'by-file' });
    const file = join(mcpx.data, 'services.yaml');
    const before = await readFile(file, 'utf8');
    const calls = await underLoad(`${mcpx.gateway}/mcp/resident`, async () => {
      await writeFile(file, `${before}  - {name: by-file, version: 1.0.0, url: '${server.url}'}\n`);
      await callable('by-file');
      await onAggregate('by-file');
      await writeFile(file, before);
      await gone('by-file');
    });
    expect(calls.failures).to.deep.equal([]);
  });

  it('by REST, in the registry that takes admin writes, until it is removed there', async () => {
    const server = await startServer({ name: 'by-rest' });
    const calls = await underLoad(`${mcpx.gateway}/mcp/resident`, async () => {
      const created = await fetch(`${mcpx.admin}/v1/services`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'by-rest', version: '1.0.0', url: server.url }),
      });
      expect(created.status).to.equal(201);
      const stored = await etcd.client.getAll().prefix('/mcpx/instances/by-rest/').keys();
      expect(stored).to.have.lengthOf(1);
      await callable('by-rest');
      await onAggregate('by-rest');
      const removed = await fetch(`${mcpx.admin}/v1/services/by-rest`, { method: 'DELETE' });
      expect(removed.ok).to.equal(true);
      await gone('by-rest');
    });
    expect(calls.failures).to.deep.equal([]);
  });

  it('from several sources at once, as instances of one service', async () => {
    const [one, other] = await Promise.all([
      startServer({ name: 'from-consul' }),
      startServer({ name: 'from-etcd' }),
    ]);
    await register('shared-1', 'shared', one.port);
    const registration = { name: 'shared', version: '1.0.0', url: other.url };
    await etcd.client.put('/mcpx/instances/shared/1').value(JSON.stringify(registration));
    const seen = new Set<string>();
    await eventually('both answer', async () => {
      const answer = await postCall(`${mcpx.gateway}/mcp/shared`, 'whoami');
      const body = await answer.text();
      for (const name of ['from-consul', 'from-etcd']) if (body.includes(name)) seen.add(name);
      return seen.size === 2;
    });
  });
});
