import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, credentials } from '@grpc/grpc-js';
import { expect } from 'chai';
import { readConfig, type Config } from '../../../src/config.js';
import type { ProcessingRequest } from '../../../src/generated/envoy/service/ext_proc/v3/ProcessingRequest.js';
import type { ProcessingResponse__Output } from '../../../src/generated/envoy/service/ext_proc/v3/ProcessingResponse.js';
import { silentLog } from '../../../src/log.js';
import { watchCatalogue } from '../../../src/mcp/catalogue.js';
import { startFilterService, type FilterService } from '../../../src/mcp/service.js';
import { createMetrics } from '../../../src/metrics.js';
import { externalProcessorService } from '../../../src/protos.js';
import { localServer, type LocalServer } from './local_server.js';

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

const service = (name: string): string =>
  `${JSON.stringify({
    service: {
      name,
      eras: ['modern'],
      capabilities: {},
      tools: [{ name: `${name}__run`, tool: 'run', definition: { name: 'run' } }],
    },
  })}\n`;
const synced = '{"synced":true}\n';
const originOf = ({ url }: LocalServer): string => new URL(url).origin;

describe('watching the catalogue', () => {
  it('comes again after the stream ended, and keeps the last known meanwhile', async () => {
    let connections = 0;
    const control = await localServer((_request, response: ServerResponse) => {
      connections++;
      response.writeHead(200);
      if (connections === 1) response.end(service('a') + service('b') + synced);
      else response.write(service('b') + synced);
    });
    const catalogue = watchCatalogue([control.url], silentLog);
    const both = await catalogue.state.when(({ services }) => services.size === 2);
    expect(both.heard).to.equal(true);
    const one = await catalogue.state.when(({ services }) => services.size === 1);
    expect([...one.services.keys()]).to.deep.equal(['b']);
    catalogue.close();
    await control.close();
  });

  it('goes on at the next replica when one ends, and round to the first again', async () => {
    const asked: string[] = [];
    const replica = (name: string) =>
      localServer((request, response: ServerResponse) => {
        asked.push(`${name} ${request.url ?? ''}`);
        response.writeHead(200).end(service(`${name}${asked.length}`) + synced);
      });
    const [one, two] = await Promise.all([replica('one'), replica('two')]);
    const catalogue = watchCatalogue([originOf(one), `${originOf(two)}/`], silentLog);
    const heard = async (name: string) =>
      catalogue.state.when(({ services }) => services.size === 1 && services.has(name));
    await heard('one1');
    await heard('two2');
    await heard('one3');
    expect(asked.slice(0, 2)).to.deep.equal([
      'one /v1/exposed?watch=true',
      'two /v1/exposed?watch=true',
    ]);
    catalogue.close();
    await Promise.all([one.close(), two.close()]);
  });

  it('goes on at the next replica when one is not there', async () => {
    const gone = await localServer(() => undefined);
    await gone.close();
    const control = await localServer(
      (_request, response) => void response.writeHead(200).write(service('a') + synced),
    );
    const catalogue = watchCatalogue([gone.url, control.url], silentLog);
    await catalogue.state.when(({ services }) => services.has('a'));
    catalogue.close();
    await control.close();
  });

  it('reads lines that arrive in pieces, also within a character', async () => {
    const bytes = Buffer.from(service('é') + synced);
    const control = await localServer((_request, response: ServerResponse) => {
      response.writeHead(200);
      for (const byte of bytes) response.write(Buffer.of(byte));
    });
    const catalogue = watchCatalogue([control.url], silentLog);
    await catalogue.state.when(({ services }) => services.has('é'));
    catalogue.close();
    await control.close();
  });
});

describe('the filter service', () => {
  let folder: string;
  let control: LocalServer;
  let config: Config;
  let started: FilterService | undefined;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mcpx-filter-'));
    control = await localServer(
      (_request, response) => void response.writeHead(200).write(service('a') + synced),
    );
    const [port, bridgePort] = [await freePort(), await freePort()];
    const flags = {
      data: folder,
      admin: { port: Number(new URL(control.url).port) },
      filter: { port, bridgePort },
    };
    const read = readConfig({ env: {}, cwd: folder, flags });
    if (!read.ok) throw new Error(JSON.stringify(read.problems));
    config = read.value;
  });

  afterEach(async () => {
    await started?.close();
    started = undefined;
    await control.close();
    rmSync(folder, { recursive: true });
  });

  async function start() {
    const outcome = await startFilterService(config, silentLog, createMetrics());
    if (outcome.ok) started = outcome.value;
    return outcome;
  }

  async function discoverReady(): Promise<void> {
    const url = `http://127.0.0.1:${config.filter.bridgePort}/mcp`;
    const headers = { 'content-type': 'application/json' };
    const body = '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}';
    while ((await fetch(url, { method: 'POST', headers, body })).status === 503)
      await new Promise((resolve) => setTimeout(resolve, 10));
  }

  it('names the port and the key when a port is taken, for each of them', async () => {
    const takers = [config.filter.port, config.filter.bridgePort].map((port) =>
      net.createServer().listen(port, '127.0.0.1'),
    );
    await Promise.all(takers.map(async (taker) => once(taker, 'listening')));
    const outcome = await start();
    for (const taker of takers) taker.close();
    const problems = outcome.ok ? [] : outcome.problems;
    expect(problems.map(({ code, subject }) => [code, subject.path])).to.have.deep.members([
      ['port_in_use', 'filter.port'],
      ['port_in_use', 'filter.bridgePort'],
    ]);
    expect(problems[0]?.message).to.contain(String(config.filter.bridgePort));
  });

  it('speaks ext_proc: asks for the body of a call and sends it to its service', async () => {
    await start();
    await discoverReady();
    const stream = processStream(config.filter.port);
    const ask = async (message: ProcessingRequest) => {
      stream.write(message);
      return ((await once(stream, 'data')) as [ProcessingResponse__Output])[0];
    };
    const head = await ask({ request_headers: { headers: { headers: callHeaders } } });
    expect(head.mode_override?.request_body_mode).to.equal('BUFFERED');
    const routed = await ask({ request_body: { body: callBody('a__run'), end_of_stream: true } });
    const common = routed.request_body?.response;
    expect(common?.clear_route_cache).to.equal(true);
    expect(common?.body_mutation?.body).to.deep.equal(callBody('run'));
    const set = common?.header_mutation?.set_headers?.map(({ header }) => [
      header?.key,
      header?.raw_value?.toString(),
    ]);
    expect(set).to.deep.equal([
      ['x-mcpx-cluster', 'a'],
      ['mcp-name', 'run'],
    ]);
    // Envoy refuses a body whose length differs from the header it keeps.
    expect(common?.header_mutation?.remove_headers).to.include('content-length');
    await ended(stream);
  });

  it('speaks ext_proc: answers what is wrong at once, in JSON-RPC', async () => {
    await start();
    const stream = processStream(config.filter.port);
    const headers = [{ key: ':method', raw_value: Buffer.from('GET') }];
    stream.write({ request_headers: { headers: { headers }, end_of_stream: true } });
    const [{ immediate_response }] = (await once(stream, 'data')) as [ProcessingResponse__Output];
    expect(immediate_response?.status?.code).to.equal('MethodNotAllowed');
    expect(immediate_response?.body?.toString()).to.match(/^{"jsonrpc":"2.0","id":null,"error"/);
    await ended(stream);
  });
});

const callHeaders = Object.entries({
  ':method': 'POST',
  'content-type': 'application/json',
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': 'tools/call',
  'mcp-name': 'a__run',
}).map(([key, value]) => ({ key, raw_value: Buffer.from(value) }));

const callBody = (name: string): Buffer =>
  Buffer.from(
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"${name}","_meta":{` +
      `"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
      `"io.modelcontextprotocol/clientCapabilities":{}}}}`,
  );

function processStream(port: number) {
  const { path, requestSerialize, responseDeserialize } = externalProcessorService().Process;
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  stream.on('end', () => client.close());
  return stream;
}

async function ended(stream: ReturnType<typeof processStream>): Promise<void> {
  stream.end();
  await once(stream.resume(), 'end');
}
