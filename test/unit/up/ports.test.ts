import { expect } from 'chai';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { readConfig, type Config } from '../../../src/config.js';
import { portProblems, whenListening } from '../../../src/up/ports.js';
import { freePorts } from '../../real/parts/child.js';

function configWith(flags: Readonly<Record<string, unknown>>): Config {
  const read = readConfig({ flags, env: {}, cwd: '/nonexistent' });
  if (!read.ok) throw new Error(read.problems[0]?.message);
  return read.value;
}

/** Every part on a port of its own that is free now. */
async function freeSettings() {
  const [gateway, admin, xds, filter, bridge, envoy] = await freePorts(6);
  return {
    gateway: { port: gateway },
    admin: { port: admin },
    xds: { port: xds },
    filter: { port: filter, bridgePort: bridge },
    envoy: { adminPort: envoy },
  };
}

describe('the ports of mcpx up', () => {
  const held: Server[] = [];
  afterEach(async () => {
    await Promise.all(
      held.splice(0).map((server) => new Promise((closed) => server.close(closed))),
    );
  });

  async function hold(port = 0): Promise<number> {
    const server = createServer((socket) => socket.destroy()).listen(port, '127.0.0.1');
    held.push(server);
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  it('are well when each is free', async () => {
    expect(await portProblems(configWith(await freeSettings()))).to.deep.equal([]);
  });

  it('are free again after they were looked at', async () => {
    const settings = await freeSettings();
    await portProblems(configWith(settings));
    expect(await hold(settings.gateway.port)).to.equal(settings.gateway.port);
  });

  it('that somebody holds are told all at once, with how to change each', async () => {
    const settings = await freeSettings();
    const [gateway, bridgePort] = [await hold(), await hold()];
    const filter = { ...settings.filter, bridgePort };
    const config = configWith({ ...settings, gateway: { port: gateway }, filter });
    const problems = await portProblems(config);
    expect(problems.map(({ code, subject }) => [code, subject.path])).to.deep.equal([
      ['port_in_use', 'gateway.port'],
      ['port_in_use', 'filter.bridgePort'],
    ]);
    expect(problems[0]?.message).to.include(`Port ${gateway} for the gateway is not free`);
    expect(problems[1]?.message).to.include('MCPX_FILTER_BRIDGE_PORT');
  });

  it('that two parts ask for are told of the second, naming the first', async () => {
    const settings = await freeSettings();
    const [problem, ...more] = await portProblems(
      configWith({ ...settings, admin: { port: settings.gateway.port } }),
    );
    expect(more).to.deep.equal([]);
    expect(problem?.subject.path).to.equal('admin.port');
    expect(problem?.message).to.include('gateway.port has the same');
  });

  it('on an address of another machine are no ports in use', async () => {
    const settings = await freeSettings();
    const gateway = { ...settings.gateway, host: '192.0.2.1' };
    const [problem, ...more] = await portProblems(configWith({ ...settings, gateway }));
    expect(more).to.deep.equal([]);
    expect(problem?.code).to.equal('config_invalid');
    expect(problem?.message).to.match(/^192\.0\.2\.1:\d+ for the gateway .*Check gateway\.host/);
  });

  describe('waiting until one listens', () => {
    it('ends at once when it does', async () => {
      await whenListening('127.0.0.1', await hold(), new AbortController().signal);
    });

    it('ends as soon as it does', async () => {
      const [port = 0] = await freePorts(1);
      let listening = false;
      const waited = whenListening('127.0.0.1', port, new AbortController().signal).then(
        () => listening,
      );
      await new Promise(setImmediate);
      listening = true;
      await hold(port);
      expect(await waited).to.equal(true);
    });

    it('gives up when told to, and says on what it waited', async () => {
      const [port = 0] = await freePorts(1);
      const reason = await whenListening('127.0.0.1', port, AbortSignal.abort()).then(
        () => 'it listened',
        (error: unknown) => (error as Error).message,
      );
      expect(reason).to.include(`127.0.0.1:${port}`);
    });
  });
});
