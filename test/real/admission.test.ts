/** Envoys of other machines are let in by a token and known by their certificate from then on. */
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { rootCertificate } from '../../src/certificates/x509.js';
import { postCall } from './parts/agent.js';
import type { Child } from './parts/child.js';
import { startConsul } from './parts/consul.js';
import {
  keepRunning,
  run,
  startControlPlane,
  startEnvoyWith,
  type ControlPlane,
} from './parts/control_plane.js';
import { eventually, startMcpx } from './parts/mcpx.js';
import { register } from './parts/registering.js';
import { startServer, stopServers } from './parts/servers.js';

describe('with identity on', function () {
  this.timeout(90_000);
  let ends: (() => Promise<unknown>)[] = [];
  const ending = <T extends { stop(): Promise<unknown> }>(started: T): T => {
    ends.unshift(() => started.stop());
    return started;
  };
  afterEach(async () => {
    for (const end of ends) await end();
    ends = [];
    await stopServers();
  });

  const serve = async (settings?: Readonly<Record<string, unknown>>): Promise<ControlPlane> =>
    ending(await startControlPlane(settings));

  it('an Envoy joins as its bootstrap tells, and carries calls (point 41)', async () => {
    const plane = await serve();
    const folder = join(plane.folder, 'identity');
    const bootstrap = await plane.bootstrap(folder);
    expect(await run([...bootstrap.join, '--once'])).to.have.property('exitCode', 0);
    ending(await startEnvoyWith(bootstrap.file));
    await eventually('it is served', async () => (await plane.nodes()).includes('edge edge'));
    const { url } = await startServer();
    const words = ['service', 'register', 'claims', '--url', url, '--version', '1.0.0'];
    expect(await plane.mcpx(...words)).to.have.property('exitCode', 0);
    await eventually('a call arrives', async () => {
      const answer = await postCall(`${plane.gateway}/mcp/claims`, 'whoami');
      return (await answer.text()).includes('"result"');
    });
    const again = [...bootstrap.join.with(-1, join(plane.folder, 'another')), '--once'];
    const replayed = await run(again);
    expect(replayed.exitCode).to.equal(1);
    expect(replayed.err).to.contain('has been used already');
    expect(plane.output(), 'no token is ever logged').not.to.contain('mcpx1.');
  });

  it('`mcpx up` serves a call, in one command', async () => {
    const mcpx = ending(await startMcpx({ settings: { identity: { mode: 'mutual' } } }));
    await register(mcpx, { name: 'claims', url: (await startServer()).url });
    for (const path of ['/mcp/claims', '/mcp'])
      await eventually(`a call arrives at ${path}`, async () => {
        const tool = path === '/mcp' ? 'claims__whoami' : 'whoami';
        return (await (await postCall(mcpx.gateway + path, tool)).text()).includes('"result"');
      });
    const clusters = await (await fetch(`${mcpx.envoyAdmin}/stats?filter=mcpx_xds.ssl`)).text();
    expect(clusters).to.match(/ssl\.versions\.TLSv1\.3: [1-9]/);
  });

  it('of two replicas each admits by the token of the other, and neither twice', async () => {
    const consul = ending(await startConsul());
    const { folder: files } = await serve();
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const life = { notBefore: Date.now() - 1_000, expiresAt: Date.now() + 3_600_000 };
    const root = { key: createPrivateKey(key), trustDomain: 'mcpx', ...life };
    const authority = { certificate: join(files, 'ca.pem'), key: join(files, 'ca-key.pem') };
    writeFileSync(authority.certificate, await rootCertificate(root));
    writeFileSync(authority.key, key, { mode: 0o600 });
    const shared = {
      identity: { mode: 'mutual', authority },
      registry: { consul: { address: consul.address } },
    };
    const [one, other] = [await serve(shared), await serve(shared)];
    const { join: words } = await one.bootstrap(join(one.folder, 'identity'));
    const at = words.indexOf('--xds') + 1;
    const there = words.with(at, `127.0.0.1:${other.xdsPort}`);
    expect(await run([...there, '--once'])).to.have.property('exitCode', 0);
    const replayed = await run([...words.with(-1, join(one.folder, 'another')), '--once']);
    expect(replayed.err).to.contain('has been used already');
  });

  it('a join that is killed leaves nothing half, and its token is still good', async () => {
    const plane = await serve();
    const folder = join(plane.folder, 'identity');
    const { join: words } = await plane.bootstrap(folder);
    const silent = await startSilent();
    ends.unshift(() => silent.stop());
    const joining = keepRunning(words.with(words.indexOf('--xds') + 1, silent.address));
    await silent.called;
    await joining.stop();
    expect(existsSync(folder) ? readdirSync(folder) : []).to.be.empty;
    expect(await run([...words, '--once'])).to.have.property('exitCode', 0);
  });

  it('the old certificate serves on while it cannot be renewed', async () => {
    const plane = await serve({ identity: { mode: 'mutual', life: '20s' } });
    const bootstrap = await plane.bootstrap(join(plane.folder, 'identity'));
    const joining: Child = ending(keepRunning(bootstrap.join));
    await eventually('it has joined', () => joining.output().includes('"joined"'));
    const endsAt = Date.parse(/"until":"([^"]+)"/.exec(joining.output())?.[1] ?? '');
    const envoy = ending(await startEnvoyWith(bootstrap.file));
    await eventually('it is served', async () => (await plane.nodes()).length === 1);
    await plane.kill();
    await eventually('it warns', () => joining.output().includes('the old one serves on'));
    expect(joining.process.exitCode).to.equal(null);
    await plane.start();
    await eventually('it is renewed', () => joining.output().includes('certificate renewed'));
    await eventually('its first certificate has ended', () => Date.now() > endsAt + 1_000);
    await eventually('it is served', async () => (await plane.nodes()).length === 1);
    expect(envoy.process.exitCode).to.equal(null);
    // It came back with the new one before the old one ended.
    const metrics = await (await plane.ask('/metrics')).text();
    expect(metrics).not.to.match(/^mcpx_xds_refused_streams_total\{reason="identity"\} [1-9]/m);
  });

  it('a new root that signs at once cuts off nobody who has joined', async () => {
    const plane = await serve({ identity: { mode: 'mutual', life: '20s' } });
    const bootstrap = await plane.bootstrap(join(plane.folder, 'identity'));
    const joining: Child = ending(keepRunning(bootstrap.join));
    await eventually('it has joined', () => joining.output().includes('"joined"'));
    ending(await startEnvoyWith(bootstrap.file));
    await eventually('it is served', async () => (await plane.nodes()).length === 1);
    expect(await plane.mcpx('ca', 'rotate', '--now')).to.have.property('exitCode', 0);
    // Its connections are gone, and it knows the old root only.
    await plane.kill();
    await plane.start();
    await eventually('it is served again', async () => (await plane.nodes()).length === 1);
    await eventually('it is renewed, under the new root', () =>
      joining.output().includes('certificate renewed'),
    );
    const { out } = await plane.mcpx('ca', 'show');
    const rotatedAt = Date.parse(/ signing +(\S+)/.exec(out)?.[1] ?? '');
    await eventually('all is under the new root', () => Date.now() > rotatedAt + 11_000);
    await plane.kill();
    await plane.start();
    await eventually('it is served again', async () => (await plane.nodes()).length === 1);
    const newcomer = await plane.bootstrap(join(plane.folder, 'another'));
    expect(await run([...newcomer.join, '--once'])).to.have.property('exitCode', 0);
  });

  it('says in one line what is wrong with a token, a port and a folder', async () => {
    const plane = await serve();
    const xds = `127.0.0.1:${plane.xdsPort}`;
    const told = async (...words: readonly string[]) => {
      const { exitCode, out, err } = await run(words);
      expect([exitCode, out, err.trim().split('\n').length]).to.deep.equal([1, '', 1]);
      return err;
    };
    const folder = join(plane.folder, 'identity');
    const at = ['--xds', xds, '--folder', folder];
    expect(await told('join', '--token', 'garbage', ...at)).to.contain('This is no join token');
    expect(await told('join', ...at))
      .to.contain('Nobody has joined in')
      .and.contain('bootstrap');
    const taken = await plane.mcpx('serve', '--admin-port', '1', '--log-level', 'error');
    expect(taken.exitCode).to.equal(1);
    expect(taken.err.trim().split('\n')).to.have.length(1);
    expect(taken.err).to.contain(`Port ${plane.xdsPort}`).and.contain('already in use');
    const named = await plane.mcpx('bootstrap', '--role', 'sidecar', '--service', 'edge');
    expect(named.exitCode).to.equal(1);
    expect(named.err).to.contain('is the name of a part of MCPX');
  });
});

/** Takes connections, and says nothing to anybody. */
async function startSilent() {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const called = once(server, 'connection');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    called,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await once(server.close(), 'close');
    },
  };
}
