import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { commandTable } from '../../../src/cli/commands.js';
import { packageFile } from '../../../src/package_file.js';
import { closedAddress, mcpx } from './stage.js';

describe('the command line', () => {
  for (const { path, example } of commandTable)
    it(`mcpx ${path} --help shows an example`, async () => {
      const { exitCode, out } = await mcpx([...path.split(' '), '--help']);
      expect(exitCode).to.equal(0);
      expect(out).to.contain(`$ ${example}`).and.contain('--admin');
    });

  it('exits with 2 for wrong usage and says what is wrong', async () => {
    const typo = await mcpx(['sevice']);
    expect(typo.exitCode).to.equal(2);
    expect(typo.err).to.contain("unknown command 'sevice'").and.contain('service');
    expect((await mcpx(['service', 'show'])).exitCode).to.equal(2);
    expect((await mcpx(['tools', '--jsn'])).exitCode).to.equal(2);
  });

  it('prints its version', async () => {
    expect(await mcpx(['--version'])).to.include({ exitCode: 0, out: '0.1.0' });
  });

  it('ends without a word when whoever reads has seen enough, as with `| head`', async () => {
    const child = spawn(process.execPath, [packageFile('dist/src/main.js'), '--help']);
    child.stdout.destroy();
    let err = '';
    child.stderr.on('data', (part: Buffer) => (err += part.toString()));
    const [code] = (await once(child, 'close')) as [number];
    expect([code, err]).to.deep.equal([0, '']);
  });

  it('says how to start a control plane when none answers', async () => {
    const nobody = await closedAddress();
    const { exitCode, err } = await mcpx(['tools', '--admin', nobody]);
    expect(exitCode).to.equal(1);
    expect(err).to.equal(
      `No control plane answers at ${nobody}. ` +
        'Start one with `mcpx up`, or name it with --admin.',
    );
  });

  it('takes --admin before the command too, and an address without http', async () => {
    const nobody = await closedAddress();
    const { err } = await mcpx(['--admin', nobody.replace('http://', ''), 'tools']);
    expect(err).to.contain(`at ${nobody}.`);
    expect((await mcpx(['tools', '--admin', 'http://:bad:'])).exitCode).to.equal(2);
  });

  it('finds the admin API by the configuration when nothing else names it', async () => {
    const nobody = await closedAddress();
    const env = { MCPX_ADMIN_PORT: new URL(nobody).port };
    expect((await mcpx(['tools'], { env })).err).to.contain(`at ${nobody}.`);
  });

  it('says when what answers is not the admin API', async () => {
    const server = createServer((_, response) => response.end('{"hello": 1}'));
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    const { port } = server.address() as AddressInfo;
    const { err, exitCode } = await mcpx(['tools', '--admin', `127.0.0.1:${port}`]);
    server.close();
    expect(exitCode).to.equal(1);
    expect(err).to.contain('does not answer as the admin API of MCPX');
  });

  it('names every wrong setting of the configuration', async () => {
    const env = { MCPX_ADMIN_PORT: 'many', MCPX_REGISTRY_WRITE: 'paper' };
    const { err, exitCode } = await mcpx(['serve'], { env });
    expect(exitCode).to.equal(1);
    expect(err).to.contain('admin.port').and.contain('registry.write');
  });
});

describe('mcpx up, serve, filter and bootstrap', () => {
  it('hands the configuration of file, variables and flags to the process', async () => {
    const seen: unknown[] = [];
    const { exitCode } = await mcpx(['up', '--demo', '--gateway-port', '8090', '--data', '/d'], {
      actions: {
        up: ({ gateway, data }, request) => {
          seen.push(gateway.port, data, request);
          return Promise.resolve(3);
        },
      },
    });
    expect(exitCode).to.equal(3);
    expect(seen).to.deep.equal([8090, '/d', { demo: true, once: false }]);
  });

  it('starts one part alone', async () => {
    const started: string[] = [];
    const serve = () => Promise.resolve(started.push('serve') - 1);
    const filter = () => Promise.resolve(started.push('filter') - 2);
    expect((await mcpx(['serve'], { actions: { serve } })).exitCode).to.equal(0);
    expect((await mcpx(['filter'], { actions: { filter } })).exitCode).to.equal(0);
    expect(started).to.deep.equal(['serve', 'filter']);
  });

  it('refuses a port that is no number, naming the key', async () => {
    const { exitCode, err } = await mcpx(['serve', '--admin-port', 'x']);
    expect(exitCode).to.equal(1);
    expect(err).to.contain('admin.port');
  });

  it('prints a bootstrap as YAML or JSON', async () => {
    const actions = {
      bootstrap: ({ node, xds }: { node: string; xds: readonly object[] }) =>
        Promise.resolve(`node: {id: ${node}}\nxds: ${JSON.stringify(xds)}\n`),
    };
    const xds = [{ host: '10.0.0.5', port: 18_000 }];
    const words = ['bootstrap', '--role', 'edge', '--node', 'n1', '--xds', '10.0.0.5:18000'];
    const { out } = await mcpx(words, { actions });
    expect(out).to.equal(`node: {id: n1}\nxds: ${JSON.stringify(xds)}`);
    const json = await mcpx([...words, '--json'], { actions });
    expect(JSON.parse(json.out)).to.deep.equal({ node: { id: 'n1' }, xds });
    expect((await mcpx(['bootstrap', '--xds', 'nowhere'], { actions })).exitCode).to.equal(2);
    expect((await mcpx(['bootstrap', '--role', 'king'], { actions })).exitCode).to.equal(2);
  });

  it('prints the bootstrap of a sidecar, its server and itself on this machine', async () => {
    const seen: unknown[] = [];
    const bootstrap = ({ sidecar }: { sidecar?: object }) =>
      Promise.resolve(`n${seen.push(sidecar)}`);
    const words = ['bootstrap', '--role', 'sidecar', '--service', 'claims'];
    const more = ['--inbound', '10.0.0.8:4443', '--local', 'localhost:3001'];
    await mcpx([...words, ...more], { actions: { bootstrap } });
    expect(seen).to.deep.equal([
      {
        service: 'claims',
        inbound: { host: '10.0.0.8', port: 4443 },
        outbound: { host: '127.0.0.1', port: 15_001 },
        local: { host: '127.0.0.1', port: 3001 },
      },
    ]);
  });

  for (const [wrong, what] of [
    [['--service', 'Claims'], '--service'],
    [[], '--service'],
    [['--service', 'claims', '--outbound', '0.0.0.0:15001'], '--outbound must be on loopback'],
    [['--service', 'claims', '--local', '10.0.0.8:3000'], '--local must be on loopback'],
    [['--service', 'claims', '--inbound', 'claims.example:3443'], '--inbound must be IP:PORT'],
  ] as const)
    it(`refuses a sidecar with ${wrong.join(' ') || 'no service'}`, async () => {
      const { exitCode, err } = await mcpx(['bootstrap', '--role', 'sidecar', ...wrong]);
      expect(exitCode).to.equal(2);
      expect(err).to.contain(what);
    });

  const replicas = [
    { host: '10.0.0.5', port: 18_000 },
    { host: 'xds.example', port: 18_001 },
    { host: '::1', port: 18_002 },
  ];
  const lists: Readonly<Record<string, readonly string[]>> = {
    'with commas': ['--xds', '10.0.0.5:18000, xds.example:18001,[::1]:18002'],
    'one by one': ['--xds', '10.0.0.5:18000', '--xds', 'xds.example:18001', '--xds', '[::1]:18002'],
    both: ['--xds', '10.0.0.5:18000,xds.example:18001', '--xds', '[::1]:18002'],
  };
  for (const [how, words] of Object.entries(lists))
    it(`takes every replica of the control plane: ${how}`, async () => {
      const seen: unknown[] = [];
      const bootstrap = ({ xds }: { xds: readonly object[] }) =>
        Promise.resolve(`n${seen.push(...xds)}`);
      await mcpx(['bootstrap', ...words], { actions: { bootstrap } });
      expect(seen).to.deep.equal(replicas);
    });

  for (const [list, word] of [
    ['10.0.0.5:18000,', 'nothing'],
    ['10.0.0.5:18000,nowhere', 'nowhere'],
    ['a:1,b:2,a:1', 'a:1 twice'],
  ] as const)
    it(`refuses the list ${list}, naming what is wrong`, async () => {
      const { exitCode, err } = await mcpx(['bootstrap', '--xds', list]);
      expect(exitCode).to.equal(2);
      expect(err).to.contain(word);
    });
});
