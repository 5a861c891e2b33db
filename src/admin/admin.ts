/**
 * The admin room: the REST API through which people, the CLI and the filter
 * service see the fleet, and the one way to write to it by HTTP. It shows what
 * the loop last made and writes only to a registry; it decides nothing itself.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Config } from '../config.js';
import { failed, problem, reasonOf, succeeded, type Outcome } from '../errors.js';
import type { Log } from '../log.js';
import { createApp } from './app.js';
import { Readiness } from './readiness.js';
import { routeTable } from './table.js';
import type { AdminState } from './state.js';

export interface Admin {
  /** The port it listens on, also where 0 was asked for. */
  readonly port: number;
  /** Says that it is not ready any more and ends the streams; all else is still answered. */
  drain(): void;
  /** Drains, answers what is being asked, and closes. */
  close(): Promise<void>;
}

const keepAliveMs = 15_000;
const closeDeadlineMs = 1_500;

/** Problems: `port_in_use`. */
export async function startAdmin(
  state: AdminState,
  { host, port }: Config['admin'],
  log: Log,
): Promise<Outcome<Admin>> {
  const closing = new AbortController();
  const readiness = new Readiness(state);
  const table = routeTable({ state, readiness, log, closing: closing.signal, keepAliveMs });
  const server = createServer((request, response) => {
    void handle(request, response);
  });
  const handle = createApp(table, host, log).callback();
  const listening = await listen(server, host, port);
  if (!listening.ok) {
    readiness.close();
    return listening;
  }
  log.info({ host, port: listening.value }, 'admin API listens');
  const drain = () => {
    readiness.stop();
    closing.abort();
  };
  const close = async () => {
    drain();
    readiness.close();
    await closed(server);
  };
  return succeeded({ port: listening.value, drain, close });
}

function listen(server: Server, host: string, port: number): Promise<Outcome<number>> {
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      const reason = taken ? 'is already in use' : `cannot be listened on: ${reasonOf(error)}`;
      const mend = 'Stop what holds it, or set admin.port (--admin-port) to a free one.';
      const message = `Port ${port} of ${host} ${reason}. ${mend}`;
      resolve(failed(problem('port_in_use', { path: 'admin.port' }, message)));
    });
    server.listen(port, host, () => resolve(succeeded((server.address() as AddressInfo).port)));
  });
}

/** A connection is idle only after its answer has ended, so idle ones are looked for again. */
function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const sweep = setInterval(() => server.closeIdleConnections(), 20);
    const deadline = setTimeout(() => server.closeAllConnections(), closeDeadlineMs);
    server.close(() => {
      clearInterval(sweep);
      clearTimeout(deadline);
      resolve();
    });
  });
}
