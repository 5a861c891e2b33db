import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import type { Actions } from '../../../src/cli/command.js';
import { failed, problem, succeeded } from '../../../src/errors.js';
import { closedAddress, mcpx, type Setting } from './stage.js';

type Request = Parameters<Actions['join']>[0];

const held = { id: 'spiffe://mcpx/edge', expiresAt: Date.parse('2026-12-01T10:00:00Z') };

/** What was asked for, and how it ended. */
async function joining(words: readonly string[], setting: Setting = {}) {
  const asked: Request[] = [];
  const join = (request: Request) => {
    asked.push(request);
    return Promise.resolve(succeeded(held));
  };
  return { ...(await mcpx(['join', ...words], { ...setting, actions: { join } })), asked };
}

describe('mcpx join', () => {
  it('joins at every replica named, in a folder of this machine', async () => {
    const xds = ['--xds', '10.0.0.5:18000,[::1]:18001'];
    const words = ['--token', 'mcpx1.a.b', ...xds, '--folder', 'id', '--once'];
    const { asked, exitCode, out, err } = await joining(words, { cwd: '/srv' });
    expect([exitCode, out]).to.deep.equal([0, '']);
    const addresses = [
      { host: '10.0.0.5', port: 18_000 },
      { host: '::1', port: 18_001 },
    ];
    const request = { token: 'mcpx1.a.b', xds: addresses, folder: '/srv/id', once: true };
    expect(asked).to.deep.equal([request]);
    expect(err).to.contain('spiffe://mcpx/edge until 2026-12-01T10:00:00.000Z');
  });

  it('goes on without a token, and reads one from stdin, where nobody sees it', async () => {
    const xds = ['--xds', '10.0.0.5:18000'];
    const { asked } = await joining(xds);
    expect(asked[0]).to.include({ token: undefined, folder: '/etc/mcpx/identity', once: false });
    const { asked: read } = await joining([...xds, '--token', '-'], { input: 'mcpx1.a.b\n' });
    expect(read[0]?.token).to.equal('mcpx1.a.b');
  });

  it('needs to be told where, and takes nothing that is no address', async () => {
    expect(await joining(['--token', 'x'])).to.deep.include({ exitCode: 2, asked: [] });
    expect(await joining(['--xds', 'nowhere'])).to.deep.include({ exitCode: 2, asked: [] });
  });

  it('says why it could not, a line each', async () => {
    const problems = ['one is away.', 'the other too.'];
    const join = () =>
      Promise.resolve(
        failed(...problems.map((text) => problem('certificate_unavailable', {}, text))),
      );
    const { exitCode, err } = await mcpx(['join', '--xds', 'a:1,b:2'], { actions: { join } });
    expect([exitCode, err]).to.deep.equal([1, problems.join('\n')]);
  });
});

describe('mcpx bootstrap with identity on', () => {
  const yaml = 'node: {id: n1}\n';
  const on = { MCPX_IDENTITY_MODE: 'mutual' };
  const where = ['--xds', '10.0.0.5:18000,10.0.0.6:18000', '--folder', '/id'];

  /** An admin API that mints one token. */
  async function bootstrapped(...words: readonly string[]) {
    const [asked, settings]: [unknown[], unknown[]] = [[], []];
    const admin = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        asked.push([`${request.method} ${request.url}`, JSON.parse(body)]);
        response.writeHead(201).end('{"token": "mcpx1.a.b", "id": "x", "until": "soon"}');
      });
    }).listen(0, '127.0.0.1');
    await new Promise((ready) => admin.once('listening', ready));
    const { port } = admin.address() as AddressInfo;
    const bootstrap: Actions['bootstrap'] = (given) => {
      settings.push(given.identity);
      return Promise.resolve(yaml);
    };
    const env = { ...on, MCPX_ADMIN_PORT: String(port) };
    const printed = await mcpx(['bootstrap', ...words], { env, actions: { bootstrap } });
    admin.close();
    return { ...printed, asked, settings };
  }

  const command = 'mcpx join --token mcpx1.a.b --xds 10.0.0.5:18000,10.0.0.6:18000 --folder /id';

  it('tells beside the YAML what to type on that machine first, and no token in it', async () => {
    const { out, err, asked, settings } = await bootstrapped(...where);
    expect(asked).to.deep.equal([['POST /v1/join-tokens', { role: 'edge' }]]);
    expect(settings).to.deep.equal([{ folder: '/id', trustDomain: 'mcpx' }]);
    expect(err).to.contain(`\n  ${command}`);
    expect(out).to.equal(yaml.trimEnd());
  });

  it('tells it beside JSON too', async () => {
    const { out, err } = await bootstrapped(...where, '--json');
    expect(JSON.parse(out)).to.deep.equal({ node: { id: 'n1' } });
    expect(err).to.contain(command);
  });

  it('asks for a token of the service that a sidecar stands beside', async () => {
    const { asked } = await bootstrapped(...where, '--role', 'sidecar', '--service', 'claims');
    const wish = { role: 'sidecar', service: 'claims' };
    expect(asked).to.deep.equal([['POST /v1/join-tokens', wish]]);
  });

  it('asks for none where one has joined already', async () => {
    const { out, asked, settings } = await bootstrapped(...where, '--no-token');
    expect([out, asked]).to.deep.equal([yaml.trimEnd(), []]);
    expect(settings).to.deep.equal([{ folder: '/id', trustDomain: 'mcpx' }]);
  });

  it('prints nothing where no control plane gives a token', async () => {
    const env = { ...on, MCPX_ADMIN_URL: await closedAddress() };
    const bootstrap = () => Promise.resolve(yaml);
    const printed = await mcpx(['bootstrap', ...where], { env, actions: { bootstrap } });
    expect([printed.exitCode, printed.out]).to.deep.equal([1, '']);
    expect(printed.err).to.contain('No control plane answers');
  });
});
