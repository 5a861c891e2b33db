/**
 * The port that Envoys connect to, plain or with mutual TLS. It is a server of
 * our own, because the one of grpc-js has a backlog too short for a fleet that
 * reconnects at once, and so that new certificates take effect on the next
 * connection while those that stand go on with the old ones.
 */
import { constants } from 'node:crypto';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import {
  createServer as createTlsServer,
  type SecureContextOptions,
  type Server as TlsServer,
  type TLSSocket,
} from 'node:tls';
import type { Clock } from '../clock.js';
import { failed, problem, reasonOf, succeeded, type Outcome } from '../errors.js';
import type { Latest } from '../latest.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import type { Limits } from './limits.js';
import { Tally } from './tally.js';

/** PEM, each; `ca` says whose client certificates are let in. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface ListeningOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Undefined: without TLS. */
  readonly tls?: Latest<TlsMaterial> | undefined;
  /** Whether those are let in who show no certificate; one that is not valid never is. */
  readonly strangers?: boolean;
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Listening {
  readonly port: number;
  /** Takes in nobody any more; connections that stand go on. */
  close(): void;
}

const contextOf = (material: TlsMaterial): SecureContextOptions => ({
  ...material,
  minVersion: 'TLSv1.3',
  // A session that is resumed is not checked again, against whom is trusted since.
  secureOptions: constants.SSL_OP_NO_TICKET,
});

const backlog = 4096;
const handshakeTimeout = 10_000;

/** Of whoever shows no certificate: much more than it takes to join, and no place to wait in. */
const stranger = { bytesMost: 64 * 1024, lifeMs: 10_000, lookMs: 50 } as const;

/** Says something of an address, unless it was said of it a moment ago. */
type Warn = (address: string | undefined, message: string, reason?: string) => void;

/** Whoever knocks again and again is counted each time, and fills no log. */
const warnedAgainMs = 10_000;
const warnedAtMost = 100;

/** Of what nghttp2 finds: broken connections are none of it, nor what a client says of us. */
const brokenProtocol: ReadonlySet<string | undefined> = new Set([
  'ERR_HTTP2_ERROR',
  'ERR_HTTP2_TOO_MANY_INVALID_FRAMES',
]);

/** Problems: `port_in_use`, `config_invalid`. */
export async function listen(
  options: ListeningOptions,
  connected: (socket: Socket) => void,
): Promise<Outcome<Listening>> {
  const warn = seldom(options);
  const admit = (socket: Socket) => {
    socket.on('error', garbage(options, warn, socket.remoteAddress));
    connected(socket);
  };
  const made = options.tls ? secured(options, options.tls, { admit, warn }) : plain(admit);
  if (!made.ok) return made;
  const { server, stop } = made.value;
  server.prependListener('connection', limited(options, warn));
  const port = await bound(server, options);
  if (!port.ok) {
    stop();
    return port;
  }
  server.on('error', (error) => {
    const reason = reasonOf(error);
    options.log.error({ reason }, 'a connection to xDS could not be taken; others go on');
  });
  const close = () => {
    stop();
    server.close();
  };
  return succeeded({ port: port.value, close });
}

interface Made {
  readonly server: Server;
  /** Listens to new material no more. */
  readonly stop: () => void;
}

function plain(admit: (socket: Socket) => void): Outcome<Made> {
  const admitOpen = (socket: Socket) => {
    if (!socket.destroyed) admit(socket);
  };
  return succeeded({ server: createServer({ noDelay: true }, admitOpen), stop: () => undefined });
}

function secured(
  { metrics, log, strangers = false }: ListeningOptions,
  tls: Latest<TlsMaterial>,
  { admit, warn }: { readonly admit: (socket: Socket) => void; readonly warn: Warn },
): Outcome<Made> {
  let server: TlsServer;
  try {
    server = createTlsServer({
      ...contextOf(tls.value),
      ...{ requestCert: true, rejectUnauthorized: !strangers },
      ...{ ALPNProtocols: ['h2'], handshakeTimeout, noDelay: true },
    });
  } catch (error) {
    const message = `The TLS material of xDS cannot be used: ${reasonOf(error)}. Renew it.`;
    return failed(problem('config_invalid', { path: 'xds' }, message));
  }
  const refuse = ({ remoteAddress: address }: TLSSocket, reason: string) => {
    metrics.refusedStreams.inc({ reason: 'tls' });
    warn(address, 'refused a TLS connection to xDS: look at its certificate', reason);
  };
  server.on('secureConnection', (socket) => {
    const shown = socket.getPeerX509Certificate();
    if (socket.authorized || (strangers && !shown)) {
      if (!shown) hurried(socket, (reason) => refuse(socket, reason));
      admit(socket);
      return;
    }
    refuse(socket, reasonOf(socket.authorizationError));
    socket.destroy();
  });
  server.on('tlsClientError', (error, socket) => refuse(socket, reasonOf(error)));
  const stop = tls.subscribe((material) => {
    try {
      server.setSecureContext(contextOf(material));
    } catch (error) {
      const reason = reasonOf(error);
      log.error({ reason }, 'new TLS material of xDS cannot be used and the old stays: renew it');
    }
  });
  return succeeded({ server, stop });
}

/** What is said in one message is kept until it is whole, so it is cut off before. */
function hurried(socket: TLSSocket, refuse: (reason: string) => void): void {
  let lookedMs = 0;
  const timer = setInterval(() => {
    lookedMs += stranger.lookMs;
    if (socket.bytesRead <= stranger.bytesMost && lookedMs < stranger.lifeMs) return;
    refuse('it shows no certificate, and stays too long or says too much for one who joins');
    socket.destroy();
  }, stranger.lookMs).unref();
  socket.once('close', () => clearInterval(timer));
}

/** Also of those who never say a word, an address may have only so many. */
function limited({ limits, metrics }: ListeningOptions, warn: Warn): (socket: Socket) => void {
  const open = new Tally();
  return (socket) => {
    const { remoteAddress: address = '' } = socket;
    socket.once('close', () => open.add(address, -1));
    if (open.add(address, 1) <= limits.connectionsPerAddress) return;
    metrics.refusedStreams.inc({ reason: 'too much' });
    warn(address, 'refused a connection to xDS: this address has too many open');
    socket.destroy();
  };
}

/** The connection is ended by whoever reads HTTP/2; it is for us to say so. */
function garbage({ metrics, tls }: ListeningOptions, warn: Warn, address: string | undefined) {
  const expected = tls ? 'in TLS' : 'without TLS';
  return ({ code, message }: NodeJS.ErrnoException) => {
    if (!brokenProtocol.has(code)) return;
    metrics.refusedStreams.inc({ reason: 'protocol' });
    const advice = `it must be the HTTP/2 of gRPC, ${expected}: see what connects from there`;
    warn(address, `ended a connection to xDS for what was sent on it: ${advice}`, message);
  };
}

function seldom({ clock, log }: ListeningOptions): Warn {
  /** When it was said; the oldest first. */
  const said = new Map<string, number>();
  return (address, message, reason) => {
    const now = clock.now();
    for (const [known, at] of said) {
      if (now - at < warnedAgainMs) break;
      said.delete(known);
    }
    const key = `${address ?? ''} ${message}`;
    if (said.has(key) || said.size >= warnedAtMost) return;
    said.set(key, now);
    log.warn({ address, reason }, message);
  };
}

async function bound(server: Server, { host, port }: ListeningOptions): Promise<Outcome<number>> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, backlog }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    return succeeded((server.address() as AddressInfo).port);
  } catch (error) {
    const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    const what = inUse ? 'is already in use' : `cannot be listened on (${reasonOf(error)})`;
    const advice = 'Stop what listens there, or set another one: `xds.port` in mcpx.yaml.';
    const message = `Port ${port} of ${host}, for xDS, ${what}. ${advice}`;
    return failed(problem(inUse ? 'port_in_use' : 'config_invalid', { path: 'xds.port' }, message));
  }
}
