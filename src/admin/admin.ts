/**
 * The admin room: the REST API through which people, the CLI and the filter
 * service see the fleet, and the one way to write to it by HTTP. It shows what
 * the loop last made and writes only to a registry; it decides nothing itself.
 */
import { constants } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../clock.js';
import type { Config } from '../config.js';
import { failed, problem, reasonOf, succeeded, type Outcome } from '../errors.js';
import type { Latest } from '../latest.js';
import type { Log } from '../log.js';
import type { TlsMaterial } from '../xds/listening.js';
import { createApp } from './app.js';
import type { AuditLog } from './audit.js';
import { refusals, type Access } from './authentication.js';
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

export interface AdminOptions {
  readonly admin: Pick<Config['admin'], 'host' | 'port'>;
  /** Undefined: without TLS. `ca`: who signs clients, where they show a certificate. */
  readonly tls?: Latest<TlsMaterial> | undefined;
  readonly access: Access;
  readonly audit: AuditLog;
  readonly log: Log;
}

const handshakeTimeout = 10_000;
const keepAliveMs = 15_000;
const closeDeadlineMs = 1_500;

/** Problems: `port_in_use`, `config_invalid` where the TLS material is of no use. */
export async function startAdmin(
  state: AdminState,
  { admin: { host, port }, tls, access, audit, log }: AdminOptions,
): Promise<Outcome<Admin>> {
  const closing = new AbortController();
  // Every filter service that follows listens to it.
  setMaxListeners(0, closing.signal);
  const readiness = new Readiness(state);
  const table = routeTable({ state, readiness, audit, log, closing: closing.signal, keepAliveMs });
  const { metrics } = state;
  for (const reason of refused) metrics.adminRefused.inc({ reason }, 0);
  const door = { access, audit, metrics, clock: systemClock, log };
  const handle = createApp(table, host, door).callback();
  const made = serverOf(tls, log, (request, response) => void handle(request, response));
  if (!made.ok) return made;
  const { server, stop } = made.value;
  const listening = await listen(server, host, port);
  if (!listening.ok) {
    readiness.close();
    stop();
    return listening;
  }
  log.info({ host, port: listening.value, tls: tls !== undefined }, 'admin API listens');
  const drain = () => {
    readiness.stop();
    closing.abort();
  };
  const close = async () => {
    drain();
    readiness.close();
    stop();
    await closed(server);
  };
  return succeeded({ port: listening.value, drain, close });
}

const refused = [...refusals, 'audit', 'page', 'target'] as const;

interface Made {
  readonly server: Server | TlsServer;
  /** Listens to new material no more. */
  readonly stop: () => void;
}

/** A client need not show a certificate; one that is shown is judged at the door. */
function serverOf(
  tls: Latest<TlsMaterial> | undefined,
  log: Log,
  handle: RequestListener,
): Outcome<Made> {
  if (!tls) return succeeded({ server: createServer(handle), stop: () => undefined });
  const context = (material: TlsMaterial) => ({
    ...{ ...material, minVersion: 'TLSv1.3' as const },
    // A ticket would let somebody in again whose certificate has ended.
    secureOptions: constants.SSL_OP_NO_TICKET,
  });
  try {
    const asked = { requestCert: true, rejectUnauthorized: false, handshakeTimeout };
    const server = createTlsServer({ ...context(tls.value), ...asked }, handle);
    const stop = tls.subscribe((material) => {
      try {
        server.setSecureContext(context(material));
      } catch (error) {
        log.error({ reason: reasonOf(error) }, 'new TLS material of the admin API is of no use');
      }
    });
    return succeeded({ server, stop });
  } catch (error) {
    const message = `The TLS material of the admin API cannot be used: ${reasonOf(error)}.`;
    return failed(problem('config_invalid', { path: 'admin' }, message));
  }
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
