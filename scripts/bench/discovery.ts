/**
 * How soon a registration is callable through Envoy: from the registry's answer
 * to the first successful `/mcp/{service}` call, beside the registry's own notice
 * of the same change to a watcher of ours. Modern era; one service at a time on
 * a gateway that already holds `residents` others.
 */
import http from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { startConsul, type RealConsul } from '../../test/real/parts/consul.js';
import { startEtcd, type RealEtcd } from '../../test/real/parts/etcd.js';
import { markdownTable } from '../markdown_table.js';
import { onStack } from '../stack.js';
import { machine } from './machine.js';

const residents = 50;

/** Times of one registration, ms after the registry's answer. */
interface Sample {
  readonly notice: number;
  readonly callable: number;
  readonly gone: number;
}

/** One registry and health setting; each method resolves with the registry's answer. */
interface Leg {
  readonly title: string;
  register(name: string): Promise<void>;
  deregister(name: string): Promise<void>;
  /** Resolves when the registry tells a watcher that `name` is there. */
  noticed(name: string): Promise<void>;
}

const flags = { registrations: { type: 'string', default: '100' } } as const;

/** `npm run bench:discovery -- --registrations 200` */
export async function discovery(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: flags });
  const registrations = Number(values.registrations);
  if (!(registrations > 0)) throw new Error('--registrations must be a number above 0.');

  const answerer = await startAnswerer();
  const { port } = answerer.address() as AddressInfo;
  const [consul, etcd] = await Promise.all([startConsul(), startEtcd()]);
  try {
    await onStack(async (stack) => {
      const mcpx = await stack.mcpx({
        settings: {
          registry: {
            consul: { address: consul.address },
            etcd: { endpoints: [etcd.address] },
          },
        },
      });
      const rows: string[][] = [];
      for (const leg of legs(consul, etcd, port)) {
        await settle(leg, mcpx.gateway);
        const samples: Sample[] = [];
        for (let index = 0; index < registrations; index++) {
          samples.push(
            await sample(leg, `${leg.title.replace(/[^a-z]/g, '')}-${index}`, mcpx.gateway),
          );
          if ((index + 1) % 25 === 0)
            console.error(`  ${leg.title}: ${index + 1}/${registrations}`);
        }
        rows.push([leg.title, ...summary(samples)]);
      }
      console.log(machine());
      console.log(
        `Modern era, ${registrations} registrations a row, ${residents} other services per row. ` +
          'ms after the registry answered, p50 / p99.',
      );
      const heads = ['registry', "registry's notice", 'callable', 'above the notice', 'gone'];
      console.log(markdownTable(heads, rows));
    });
  } finally {
    await Promise.all([consul.stop(), etcd.stop()]);
    answerer.close();
    answerer.closeAllConnections();
  }
}

function legs(consul: RealConsul, etcd: RealEtcd, port: number): readonly Leg[] {
  const url = `http://127.0.0.1:${port}/mcp`;
  const inEtcd = (title: string, kind: string): Leg => ({
    title,
    async register(name) {
      const document = { name, version: '1.0.0', url, era: 'modern', health: { kind } };
      await etcd.client.put(`/mcpx/instances/${name}/1`).value(JSON.stringify(document));
    },
    async deregister(name) {
      await etcd.client.delete().key(`/mcpx/instances/${name}/1`);
    },
    async noticed(name) {
      const watcher = await etcd.client.watch().key(`/mcpx/instances/${name}/1`).create();
      return new Promise((resolve) => {
        watcher.once('put', () => {
          resolve();
          void watcher.cancel();
        });
      });
    },
  });
  return [
    {
      title: 'Consul, no active checks',
      async register(name) {
        await consul.client.agent.service.register({
          ...{ id: name, name, tags: ['mcp'], address: '127.0.0.1', port },
          meta: { 'mcp-version': '1.0.0', 'mcp-era': 'modern' },
        });
      },
      async deregister(name) {
        await consul.client.agent.service.deregister(name);
      },
      noticed: (name) => consulNotice(consul.address, name),
    },
    inEtcd('etcd, no active checks', 'none'),
    inEtcd('etcd, active mcp checks', 'mcp'),
  ];
}

/** A blocking query of our own on the very service. */
async function consulNotice(address: string, service: string): Promise<void> {
  let index = '0';
  for (;;) {
    const query = `index=${index}&wait=30s`;
    const response = await fetch(`${address}/v1/health/service/${service}?${query}`);
    if (((await response.json()) as unknown[]).length > 0) return;
    index = response.headers.get('x-consul-index') ?? '0';
  }
}

/** The others of the row, registered first, and the connections warm. */
async function settle(leg: Leg, gateway: string): Promise<void> {
  for (let index = 0; index < residents; index++) await leg.register(`resident-${index}`);
  for (let index = 0; index < residents; index++)
    await until(async () => (await call(gateway, `resident-${index}`)) === 200);
}

async function sample(leg: Leg, name: string, gateway: string): Promise<Sample> {
  const noticed = leg.noticed(name).then(() => performance.now());
  // The watcher must be in place before the change.
  await new Promise((resolve) => setTimeout(resolve, 20));
  await leg.register(name);
  const answered = performance.now();
  await until(async () => (await call(gateway, name)) === 200);
  const callable = performance.now() - answered;
  const notice = (await noticed) - answered;
  await leg.deregister(name);
  const removed = performance.now();
  await until(async () => (await call(gateway, name)) === 404);
  return { notice, callable, gone: performance.now() - removed };
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await condition()))
    if (performance.now() > deadline) throw new Error('not callable within 20 s');
}

const agent = new http.Agent({ keepAlive: true });

/** One modern `tools/call`; the value is the HTTP status. */
async function call(gateway: string, service: string): Promise<number> {
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const params = { name: 'any', arguments: {}, _meta };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
  return new Promise((resolve, reject) => {
    const request = http.request(
      `${gateway}/mcp/${service}`,
      {
        method: 'POST',
        agent,
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'mcp-protocol-version': '2026-07-28',
          'mcp-method': 'tools/call',
          'mcp-name': 'any',
          'content-length': Buffer.byteLength(body),
        },
      },
      (response) => {
        response.resume();
        response.once('end', () => resolve(response.statusCode ?? 0));
      },
    );
    request.once('error', reject);
    request.end(body);
  });
}

/** Answers every request in MCP's shape, as lean as can be: the server is not what is measured. */
async function startAnswerer(): Promise<Server> {
  const result = JSON.stringify({
    ...{ resultType: 'complete', content: [], supportedVersions: ['2026-07-28'] },
    ...{ capabilities: {}, ttlMs: 600_000, cacheScope: 'private' },
  });
  const server = http.createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.once('end', () => {
      const [, id = 'null'] = /"id":("[^"]*"|\d+)/.exec(body) ?? [];
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(`{"jsonrpc":"2.0","id":${id},"result":${result}}`);
    });
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

function summary(samples: readonly Sample[]): string[] {
  const show = (values: readonly number[]) =>
    `${quantile(values, 0.5)} / ${quantile(values, 0.99)}`;
  return [
    show(samples.map(({ notice }) => notice)),
    show(samples.map(({ callable }) => callable)),
    show(samples.map(({ callable, notice }) => callable - Math.max(notice, 0))),
    show(samples.map(({ gone }) => gone)),
  ];
}

function quantile(values: readonly number[], share: number): string {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.ceil(sorted.length * share) - 1] ?? 0).toFixed(1);
}
