/** A bridge on a free port, and behind its socket servers that answer as told. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExposedService } from '../../../src/fleet/exposed.js';
import { Latest } from '../../../src/latest.js';
import { silentLog } from '../../../src/log.js';
import { createBridge } from '../../../src/mcp/bridge.js';
import { emptyCatalogue, type CatalogueState } from '../../../src/mcp/catalogue_fold.js';
import { createState, type State } from '../../../src/mcp/state.js';
import { exchange, type Exchange } from '../../../src/mcp_client/streamable.js';
import { createMetrics } from '../../../src/metrics.js';
import { localServer, messageOf, sendJson, type Received } from './local_server.js';

export const service = (
  name: string,
  eras: ExposedService['eras'] = ['legacy'],
  more: Partial<ExposedService> = {},
): ExposedService => ({
  name,
  eras,
  capabilities: {},
  instructions: undefined,
  tools: [{ name: `${name}__run`, tool: 'run', definition: { name: 'run' } }],
  prompts: [],
  resources: [],
  resourceTemplates: [],
  available: true,
  missing: undefined,
  ...more,
});

export interface Heard extends Received {
  readonly service: string;
  readonly verb: string;
  readonly session: string | undefined;
}

type Answering = (heard: Heard, response: ServerResponse, request: IncomingMessage) => void;

const called: ReadonlySet<string> = new Set([
  'tools/call',
  'resources/subscribe',
  'logging/setLevel',
  'subscriptions/listen',
]);

/** Answers as a legacy server with sessions `s1`, `s2`, …; calls are left to the test. */
export class Servers {
  readonly heard: Heard[] = [];
  onCall: Answering = ({ id }, response) => sendJson(response, { id, result: { content: [] } });
  onStream: (heard: Heard, response: ServerResponse) => void = (_heard, response) =>
    response.writeHead(405).end();
  readonly hanging = new Set<string>();
  /** Sessions that are answered 400, as many servers do. */
  readonly forgotten = new Set<string>();
  #sessions = 0;

  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    void messageOf(request).then((message) => {
      const header = (name: string) => request.headers[name] as string | undefined;
      const heard = {
        ...message,
        service: header('x-mcpx-cluster') ?? '',
        verb: request.method ?? '',
        session: header('mcp-session-id'),
      };
      this.heard.push(heard);
      if (this.hanging.has(heard.service)) return;
      if (heard.verb === 'GET') this.onStream(heard, response);
      else if (called.has(heard.method)) this.onCall(heard, response, request);
      else if (heard.method === 'initialize') this.#initialize(heard, response);
      else if (heard.method === 'ping') this.#ping(heard, response);
      else response.writeHead(202).end();
    });
  };

  #ping({ id, session = '' }: Heard, response: ServerResponse): void {
    if (this.forgotten.has(session) || session.startsWith('mcpx-'))
      response.writeHead(400).end('No valid session');
    else sendJson(response, { id, result: {} });
  }

  #initialize({ id, params }: Heard, response: ServerResponse): void {
    const result = {
      protocolVersion: params?.['protocolVersion'],
      capabilities: { logging: {}, resources: { subscribe: true } },
      serverInfo: {},
    };
    sendJson(response, { id, result }, { headers: { 'mcp-session-id': `s${++this.#sessions}` } });
  }

  of(method: string): Heard[] {
    return this.heard.filter((heard) => heard.method === method);
  }
}

export interface Stage {
  readonly url: string;
  readonly servers: Servers;
  readonly state: State;
  offer(...services: readonly ExposedService[]): void;
  post(method: string, params: object, headers?: Record<string, string>): Promise<Exchange>;
  /** The id of a new session. */
  initialize(version?: string): Promise<string>;
  close(): Promise<void>;
}

export async function stage(): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'mcpx-bridge-'));
  const socketPath = join(folder, 'bridge.sock');
  const servers = new Servers();
  const listener = await localServer(servers.handle, socketPath);
  const catalogue = new Latest<CatalogueState>(emptyCatalogue);
  const state = createState(catalogue, randomBytes(32), (name) => ({
    url: 'http://localhost/mcp',
    socketPath,
    headers: { 'x-mcpx-cluster': name },
  }));
  const bridge = createBridge(state, createMetrics(), silentLog);
  bridge.listen(0, '127.0.0.1');
  await once(bridge, 'listening');
  const address = bridge.address();
  if (typeof address !== 'object' || address === null) throw new Error('no address');
  const url = `http://127.0.0.1:${address.port}/mcp`;
  const post: Stage['post'] = async (method, params, headers = {}) =>
    exchange({ url }, { id: 7, method, params: { ...params } }, headers, { deadlineMs: 3_000 });
  return {
    url,
    servers,
    state,
    offer: (...services) =>
      catalogue.set({ heard: true, services: new Map(services.map((each) => [each.name, each])) }),
    post,
    async initialize(protocolVersion = '2025-06-18') {
      const outcome = await post('initialize', {
        protocolVersion,
        capabilities: { sampling: {}, roots: {} },
        clientInfo: { name: 'agent', version: '3' },
      });
      const id = outcome.kind === 'answered' ? outcome.headers['mcp-session-id'] : undefined;
      if (typeof id !== 'string') throw new Error(JSON.stringify(outcome));
      return id;
    },
    async close() {
      state.changes.close();
      bridge.close();
      bridge.closeAllConnections();
      await listener.close();
      rmSync(folder, { recursive: true });
    },
  };
}

export const modernMeta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};

/** Waits for what another's turn brings. */
export async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 5));
}
