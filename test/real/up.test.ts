/** `mcpx up`, as a person runs it: the first screen, the end of it, and parts that are killed. */
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { expect } from 'chai';
import { postCall } from './parts/agent.js';
import { underLoad } from './parts/load.js';
import { eventually, freePort, launchMcpx, startMcpx, type Mcpx } from './parts/mcpx.js';
import { descendantsOf, listenerOf, stillRunning, type Running } from './parts/processes.js';
import { register } from './parts/registering.js';
import { startServer, stopServers } from './parts/servers.js';

/** Once it has ended and all that it wrote was read. */
const exitOf = async (mcpx: Mcpx): Promise<number | null> =>
  new Promise((resolve) => mcpx.process.once('close', (code) => resolve(code)));

const filterServiceOf = (mcpx: Mcpx): number => {
  const found = descendantsOf(mcpx.process.pid ?? 0).find(
    ({ command }) => command.endsWith('main.js filter ') && !command.startsWith('/bin/sh'),
  );
  return found?.pid ?? NaN;
};

describe('mcpx up', () => {
  after(stopServers);

  it('with --demo --once shows a call to each server, ends with 0 and leaves nothing', async () => {
    const mcpx = await launchMcpx({ arguments: ['--demo', '--once'] });
    let seen: readonly Running[] = [];
    await eventually('its parts run', () => {
      seen = descendantsOf(mcpx.process.pid ?? 0);
      return mcpx.output().includes('discovery');
    });
    expect(seen.length).to.be.greaterThan(5);
    expect(await exitOf(mcpx), mcpx.output()).to.equal(0);
    expect(mcpx.output()).to.include('The sum of 19 and 23 is 42.');
    expect(mcpx.output()).to.include('Great circle');
    expect(mcpx.output()).not.to.include('get-env');
    expect(stillRunning(seen)).to.deep.equal([]);
    await mcpx.stop();
  });

  it('shows a curl line that works when pasted', async () => {
    const mcpx = await startMcpx({ arguments: ['--demo'] });
    const [, line = ''] = /(curl -s [^]*?\}')/.exec(mcpx.output()) ?? [];
    const printed = execFileSync('sh', ['-c', line]).toString();
    expect(printed).to.include('Sailing time');
    await mcpx.stop();
  });

  it('ends everything on Ctrl-C', async () => {
    const mcpx = await startMcpx({ arguments: ['--demo'] });
    const running = descendantsOf(mcpx.process.pid ?? 0);
    expect(running.length).to.be.greaterThan(5);
    mcpx.process.kill('SIGINT');
    expect(await exitOf(mcpx)).to.equal(0);
    expect(stillRunning(running)).to.deep.equal([]);
    await mcpx.stop();
  });

  it('leaves nothing running when it is killed', async () => {
    const mcpx = await startMcpx({ arguments: ['--demo'] });
    const running = descendantsOf(mcpx.process.pid ?? 0);
    expect(running.length).to.be.greaterThan(5);
    mcpx.process.kill('SIGKILL');
    await eventually('every process is gone', () => stillRunning(running).length === 0);
    await mcpx.stop();
  });

  it('starts well in the folder of a run that was killed', async () => {
    const killed = await startMcpx({ arguments: ['--demo'] });
    killed.process.kill('SIGKILL');
    await exitOf(killed);
    const again = await launchMcpx({ arguments: ['--demo', '--once'], data: killed.data });
    expect(await exitOf(again), again.output()).to.equal(0);
    await again.stop();
  });

  it('names every port that is taken, with the key that changes it', async () => {
    const holder = createServer();
    const port = await new Promise<number>((resolve) =>
      holder.listen(0, '127.0.0.1', () => resolve((holder.address() as { port: number }).port)),
    );
    const mcpx = await launchMcpx({ settings: { gateway: { port }, admin: { port } } });
    expect(await exitOf(mcpx)).to.equal(1);
    expect(mcpx.output()).to.include(`Port ${port}`).and.include('gateway.port');
    expect(mcpx.output()).to.include('admin.port');
    holder.close();
    await mcpx.stop();
  });

  it('says what to do when the Envoy it was told of is none', async () => {
    const envoy = { binary: '/nowhere/envoy', adminPort: await freePort() };
    const none = await launchMcpx({ settings: { envoy } });
    expect(await exitOf(none)).to.equal(1);
    expect(none.output()).to.include('/nowhere/envoy').and.include('ENVOY_BIN');
    await none.stop();
  });

  describe('while agents call', () => {
    let mcpx: Mcpx;

    before(async () => {
      mcpx = await startMcpx();
      const server = await startServer({ name: 'steady' });
      await register(mcpx, { name: 'steady', url: server.url });
    });

    after(() => mcpx.stop());

    const answers = (path: string, tool: string) =>
      eventually(`${path} answers`, async () => {
        const { status } = await postCall(`${mcpx.gateway}${path}`, tool);
        return status === 200;
      });

    it('starts a killed control plane again, and Envoy goes on serving meanwhile', async () => {
      const killed = listenerOf(mcpx.admin);
      const calls = await underLoad(`${mcpx.gateway}/mcp/steady`, async () => {
        process.kill(killed, 'SIGKILL');
        await eventually('a new one answers', async () => {
          const ready = await fetch(`${mcpx.admin}/readyz`);
          return ready.ok && listenerOf(mcpx.admin) !== killed;
        });
        await eventually('Envoy is connected again', async () => {
          const response = await fetch(`${mcpx.admin}/v1/nodes`);
          const { nodes } = (await response.json()) as { nodes: unknown[] };
          return nodes.length === 1;
        });
      });
      expect(calls.failures).to.deep.equal([]);
    });

    it('starts parts again that are there and answer nothing', async () => {
      const [controlPlane, envoy] = [listenerOf(mcpx.admin), listenerOf(mcpx.gateway)];
      const stopped = [controlPlane, envoy, filterServiceOf(mcpx)];
      for (const pid of stopped) process.kill(pid, 'SIGSTOP');
      await answers('/mcp', 'steady__whoami');
      expect(stopped).not.to.include(listenerOf(mcpx.admin));
      expect(stopped).not.to.include(listenerOf(mcpx.gateway));
      expect(stopped).not.to.include(filterServiceOf(mcpx));
      const told = mcpx.output().match(/it answered nothing for 9 s and was killed/g);
      expect(told).to.have.lengthOf(stopped.length);
    });

    it('does not blame the server for a filter service that does not answer', async () => {
      const filterService = filterServiceOf(mcpx);
      process.kill(filterService, 'SIGSTOP');
      const answer = await postCall(`${mcpx.gateway}/mcp`, 'steady__whoami');
      process.kill(filterService, 'SIGCONT');
      expect(answer.status).to.equal(504);
      expect(await answer.text()).to.include('The MCP filter service did not answer in time');
    });

    it('starts a killed Envoy again', async () => {
      const killed = listenerOf(mcpx.gateway);
      process.kill(killed, 'SIGKILL');
      await answers('/mcp/steady', 'whoami');
      expect(listenerOf(mcpx.gateway)).not.to.equal(killed);
    });

    it('starts a killed filter service again, and /mcp/{service} never needed it', async () => {
      await answers('/mcp', 'steady__whoami');
      const response = await fetch(`${mcpx.admin}/v1/services`);
      expect(response.ok).to.equal(true);
      const calls = await underLoad(`${mcpx.gateway}/mcp/steady`, async () => {
        process.kill(filterServiceOf(mcpx), 'SIGKILL');
        await answers('/mcp', 'steady__whoami');
      });
      expect(calls.failures).to.deep.equal([]);
    });
  });
});
