/** Bad input gets a clear answer and loses nothing. */
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { postCall } from './parts/agent.js';
import { eventually, freePort, startMcpx, type Mcpx } from './parts/mcpx.js';
import { register } from './parts/registering.js';
import { startServer, stopServers, type ReferenceServer } from './parts/servers.js';

interface ListedProblem {
  readonly code: string;
  readonly message: string;
  readonly subject: { readonly service?: string; readonly path?: string };
}

describe('bad input', () => {
  let mcpx: Mcpx;
  let server: ReferenceServer;

  before(async () => {
    mcpx = await startMcpx();
    server = await startServer({ name: 'good' });
    await register(mcpx, { name: 'good', url: server.url });
  });

  after(async () => {
    await mcpx.stop();
    await stopServers();
  });

  async function problems(): Promise<readonly ListedProblem[]> {
    const response = await fetch(`${mcpx.admin}/v1/problems`);
    return ((await response.json()) as { problems: ListedProblem[] }).problems;
  }

  const post = (body: string) =>
    fetch(`${mcpx.admin}/v1/services`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });

  const status = async (service: string) =>
    (await postCall(`${mcpx.gateway}/mcp/${service}`, 'whoami')).status;

  it('by REST: every wrong field is named at once, and nothing is written', async () => {
    const document = { name: 'Bad', version: 'x', url: 'nowhere', traffic: { timeout: 'soon' } };
    const answer = await post(JSON.stringify(document));
    expect(answer.status).to.equal(422);
    const body = (await answer.json()) as { problems: { path: string }[] };
    expect(body.problems.map(({ path }) => path)).to.include.members([
      'name',
      'version',
      'url',
      'traffic.timeout',
    ]);
    expect(await readFile(join(mcpx.data, 'services.yaml'), 'utf8')).not.to.include('Bad');
  });

  it('in the file: a problem on the entry, its last good form stays', async () => {
    const file = join(mcpx.data, 'services.yaml');
    const before = await readFile(file, 'utf8');
    const broken = before.replace('version: 1.0.0', 'version: 1.0.0\n    weight: heavy');
    await writeFile(file, broken);
    await eventually('the problem is listed', async () =>
      (await problems()).some(({ subject }) => subject.path?.endsWith('weight')),
    );
    expect(await status('good')).to.equal(200);
    await writeFile(file, before);
    await eventually('the problem is gone', async () => (await problems()).length === 0);
  });

  it('in the file: what is no YAML changes nothing', async () => {
    const file = join(mcpx.data, 'services.yaml');
    const before = await readFile(file, 'utf8');
    await writeFile(file, `${before}\n]]: {{`);
    await eventually('the problem is listed', async () =>
      (await problems()).some(({ code }) => code === 'registry_unreadable'),
    );
    expect(await status('good')).to.equal(200);
    await writeFile(file, before);
    await eventually('the problem is gone', async () => (await problems()).length === 0);
  });

  it('a server that cannot be reached is a problem on its service', async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/mcp`;
    expect((await post(JSON.stringify({ name: 'away', version: '1.0.0', url }))).ok).to.equal(true);
    await eventually('the problem is listed', async () =>
      (await problems()).some(
        ({ code, subject }) => code === 'server_unreachable' && subject.service === 'away',
      ),
    );
    expect(await status('good')).to.equal(200);
  });

  it('a server that answers no MCP is a problem on its service', async () => {
    const web = createServer((_, response) => response.end('<h1>Welcome</h1>'));
    await new Promise<void>((done) => web.listen(0, '127.0.0.1', done));
    const url = `http://127.0.0.1:${(web.address() as AddressInfo).port}/mcp`;
    expect((await post(JSON.stringify({ name: 'web', version: '1.0.0', url }))).ok).to.equal(true);
    await eventually('the problem is listed', async () =>
      (await problems()).some(
        ({ code, subject }) => code === 'server_not_mcp' && subject.service === 'web',
      ),
    );
    web.close();
    web.closeAllConnections();
  });

  it('a tool name that another service exposes is refused, and nothing is written', async () => {
    const [first, second] = await Promise.all([startServer(), startServer()]);
    const expose = { prefix: false };
    await register(mcpx, { name: 'owner', url: first.url, expose });
    await eventually('the owner is in the catalogue', async () => {
      const tools = await (await fetch(`${mcpx.admin}/v1/tools`)).text();
      return tools.includes('"owner"');
    });
    const newcomer = { name: 'taker', version: '1.0.0', url: second.url, expose };
    const answer = await post(JSON.stringify(newcomer));
    expect(answer.status).to.equal(409);
    expect(await answer.text())
      .to.include('whoami')
      .and.include('owner');
    expect(await readFile(join(mcpx.data, 'services.yaml'), 'utf8')).not.to.include('taker');
  });

  it('a body that is no JSON and an unknown path are answered with what is wrong', async () => {
    const garbage = await post('{"name":');
    expect(garbage.status).to.equal(400);
    const elsewhere = await fetch(`${mcpx.admin}/v2/nothing`);
    expect(elsewhere.status).to.equal(404);
    for (const answer of [garbage, elsewhere])
      expect(answer.headers.get('content-type')).to.include('application/problem+json');
  });

  it('the server that is well is listed, the others are named as missing', async () => {
    await eventually('the aggregate says so', async () => {
      const answer = await fetch(`${mcpx.gateway}/mcp`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'mcp-protocol-version': '2026-07-28',
          'mcp-method': 'tools/list',
        },
        body: JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          method: 'tools/list',
          params: {
            _meta: {
              'io.modelcontextprotocol/protocolVersion': '2026-07-28',
              'io.modelcontextprotocol/clientCapabilities': {},
            },
          },
        }),
      });
      const text = await answer.text();
      return text.includes('good__whoami') && text.includes('"away"') && text.includes('"web"');
    });
  });
});
