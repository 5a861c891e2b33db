import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { expect } from 'chai';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import type { Era } from '../../../src/fleet/fleet.js';
import { serviceOf, startOn, stateOf, stopAll } from '../admin/stage.js';
import { closedAddress, mcpx } from './stage.js';

/** A real MCP server of both eras in the gateway's place, with tools named as the gateway would. */
function greeter(): McpServer {
  const server = new McpServer({ name: 'greeter', version: '1.0.0' });
  const inputSchema = z.object({ name: z.string() });
  server.registerTool('claims__greet', { inputSchema }, ({ name }) => ({
    content: [{ type: 'text', text: `Hello, ${name}!` }],
  }));
  server.registerTool('claims__fail', {}, () => ({
    isError: true,
    content: [{ type: 'text', text: 'the file is closed' }],
  }));
  return server;
}

function speaking(...eras: Era[]) {
  const tools = [{ name: 'greet' }, { name: 'fail' }, { name: 'gone' }];
  const service = serviceOf('claims');
  const catalogue = { ...service.probe!.catalogue!, eras, tools };
  return serviceOf('claims', { probe: { failure: undefined, catalogue } });
}

describe('mcpx call', () => {
  let gateway: Server;
  let flags: string[] = [];

  beforeEach(async () => {
    const handle = toNodeHandler(createMcpHandler(greeter));
    gateway = createServer((request, response) => void handle(request, response));
    await new Promise<void>((ready) => gateway.listen(0, '127.0.0.1', ready));
  });

  afterEach(async () => {
    gateway.closeAllConnections();
    gateway.close();
    await stopAll();
  });

  const through = async (...eras: Era[]) => {
    const { port } = gateway.address() as AddressInfo;
    const admin = await startOn(stateOf([speaking(...eras)]));
    flags = ['--gateway', `127.0.0.1:${port}`, '--admin', admin];
  };
  const call = (...words: string[]) => mcpx(['call', ...flags, ...words]);

  for (const era of ['modern', 'legacy'] as const)
    it(`calls a ${era} tool, prints its text and how long it took`, async () => {
      await through(era);
      const { exitCode, out, err } = await call('claims__greet', '{"name": "Ada"}');
      expect(err).to.match(new RegExp(`^claims__greet answered in [\\d.]+ ms \\(${era}, `));
      expect(out).to.equal('Hello, Ada!');
      expect(exitCode).to.equal(0);
    });

  it('prints the result as JSON', async () => {
    await through('modern', 'legacy');
    const { out } = await call('claims__greet', '{"name": "Ada"}', '--json');
    expect(JSON.parse(out)).to.deep.include({ content: [{ type: 'text', text: 'Hello, Ada!' }] });
  });

  it('fails with the text of a tool that fails', async () => {
    await through('modern');
    const { exitCode, err } = await call('claims__fail');
    expect(exitCode).to.equal(1);
    expect(err).to.equal('claims__fail failed: the file is closed');
  });

  it('fails with the message of a JSON-RPC error', async () => {
    await through('legacy');
    const { exitCode, err } = await call('claims__gone');
    expect(exitCode).to.equal(1);
    expect(err).to.match(/^claims__gone failed: .*claims__gone/);
  });

  it('is wrong usage when the arguments are no JSON object: it shows where', async () => {
    await through('modern');
    const { exitCode, err } = await call('claims__greet', '{"name": Ada}');
    expect(exitCode).to.equal(2);
    expect(err.split('\n').slice(1)).to.deep.equal(['  {"name": Ada}', '           ^']);
    expect((await call('claims__greet', '[1]')).exitCode).to.equal(2);
  });

  it('names the nearest tools when there is none of that name', async () => {
    await through('modern');
    expect((await call('greet')).err).to.contain('Did you mean claims__greet?');
    expect((await call('claims__great')).err).to.contain('Did you mean claims__greet?');
    expect((await call('zzzzzzzzz')).err).to.contain('`mcpx tools` lists all.');
  });

  it('says so when the service was never asked what it speaks', async () => {
    await through();
    expect((await call('claims__greet')).err).to.contain('not known yet what claims speaks');
  });

  it('says how to start a gateway when none answers', async () => {
    await through('modern');
    const nobody = await closedAddress();
    const { err, exitCode } = await call('claims__greet', '{}', '--gateway', nobody);
    expect(exitCode).to.equal(1);
    expect(err).to.contain(`${nobody} cannot be reached`).and.contain('mcpx up');
  });
});
