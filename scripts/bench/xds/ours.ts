/**
 * MCPX's control plane as a process to be measured: the real pipeline and the real xDS
 * server over a registry in memory. Driven as the reference is: `POST /update?service=i&key=k`
 * (the first instance of service i moves to port k), and `POST /register` (one service more).
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../../../src/clock.js';
import { readConfig } from '../../../src/config.js';
import type { Outcome } from '../../../src/errors.js';
import type { Registration } from '../../../src/fleet/fleet.js';
import { createLog } from '../../../src/log.js';
import { createMetrics } from '../../../src/metrics.js';
import { Pipeline } from '../../../src/pipeline.js';
import type { Registry, RegistryListener } from '../../../src/registry/registry.js';
import { startXdsServer } from '../../../src/xds/server.js';
import { instanceOf, instancesPerService, registrationsOf } from './registrations.js';

class MemoryRegistry implements Registry {
  readonly source = 'file';
  readonly #registrations: Registration[] = [];
  #listener: RegistryListener | undefined;

  constructor(services: number) {
    for (let service = 0; service < services; service++) this.add();
  }

  get services(): number {
    return this.#registrations.length / instancesPerService;
  }

  watch(listener: RegistryListener): void {
    this.#listener = listener;
    listener.hearing(this.source, { state: 'heard' });
    this.#report();
  }

  move(service: number, port: number): void {
    this.#registrations[service * instancesPerService] = instanceOf(service, 0, port);
    this.#report();
  }

  add(): void {
    this.#registrations.push(...registrationsOf(this.services));
    this.#report();
  }

  put(): never {
    throw new Error('nothing is written here');
  }

  remove(): never {
    throw new Error('nothing is written here');
  }

  keepRollout(): never {
    throw new Error('nothing is written here');
  }

  spend(): never {
    throw new Error('nothing is written here');
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #report(): void {
    this.#listener?.report({
      ...{ source: this.source, registrations: [...this.#registrations] },
      ...{ policies: new Map(), rollouts: new Map(), problems: [] },
    });
  }
}

/** Kept for a restart; the reference keeps nothing, so neither do we here. */
const store = {
  read: () => undefined,
  keep: () => undefined,
  close: () => Promise.resolve(),
};

async function start(services: number): Promise<void> {
  const log = createLog('control plane', 'error');
  const metrics = createMetrics();
  const config = valueOf(readConfig({ env: {}, cwd: '/nowhere' }));
  const registry = new MemoryRegistry(services);
  const parts = { registries: [registry], settings: config, store, log, metrics };
  const pipeline = new Pipeline(parts);
  pipeline.start();
  await pipeline.snapshot.when((snapshot) => snapshot !== undefined);
  const xds = await startXdsServer({
    ...{ ...config.xds, host: '127.0.0.1', port: 0 },
    ...{ snapshots: () => pipeline.snapshot, metrics, clock: systemClock, log },
  });
  const { port } = valueOf(xds);
  const control = createServer((request, response) => {
    obey(new URL(request.url ?? '/', 'http://control'), registry);
    response.writeHead(202).end();
  });
  control.listen(0, '127.0.0.1', () => {
    process.stdout.write(`ready ${port} ${(control.address() as AddressInfo).port}\n`);
  });
}

function obey({ pathname, searchParams }: URL, registry: MemoryRegistry): void {
  const number = (name: string): number => Number(searchParams.get(name));
  if (pathname === '/register') registry.add();
  else registry.move(number('service'), number('key'));
}

function valueOf<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new Error(outcome.problems.map(({ message }) => message).join('\n'));
}

// Whoever started us holds the other end: we end with it.
process.stdin.on('end', () => process.exit(0)).resume();
await start(Number(process.argv[2]));
