/**
 * MCPX's control plane as a process to be measured. Driven as the reference is:
 * `POST /update?service=i&key=k` (the first instance of service i moves to port k),
 * `POST /register` (one service more), and `POST /step?service=i&key=k` (the new version of
 * service i gets k % of the calls).
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startControlPlane } from './control_plane.js';
import { MemoryRegistry, type Size } from './memory_registry.js';

async function start(size: Size): Promise<void> {
  const registry = new MemoryRegistry(size);
  const { xds } = await startControlPlane(registry);
  const control = createServer((request, response) => {
    obey(new URL(request.url ?? '/', 'http://control'), registry);
    response.writeHead(202).end();
  });
  control.listen(0, '127.0.0.1', () => {
    process.stdout.write(`ready ${xds.port} ${(control.address() as AddressInfo).port}\n`);
  });
}

function obey({ pathname, searchParams }: URL, registry: MemoryRegistry): void {
  const number = (name: string): number => Number(searchParams.get(name));
  if (pathname === '/register') registry.add();
  else if (pathname === '/step') registry.step(number('service'), number('key'));
  else registry.move(number('service'), number('key'));
}

// Whoever started us holds the other end: we end with it.
process.stdin.on('end', () => process.exit(0)).resume();
const [services = 0, rollouts = 0] = process.argv.slice(2).map(Number);
await start({ services, rollouts });
