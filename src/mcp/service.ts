/**
 * The filter service: the catalogue from the control plane, session ids sealed
 * with the shared key, and two faces that answer from both. Starts in that order.
 */
import type { Server as HttpServer } from 'node:http';
import { adminUrlOf, localRoots } from '../admin_client/address.js';
import type { Credentials } from '../admin_client/call.js';
import { localTokens } from '../admin_client/local_token.js';
import { readIdentity } from '../admission/identity_files.js';
import type { Config } from '../config.js';
import { failed, problem, reasonOf, succeeded, type Outcome } from '../errors.js';
import { aggregatePath, clusterHeader } from '../gateway_contract.js';
import type { Log } from '../log.js';
import type { Target } from '../mcp_client/streamable.js';
import type { Metrics } from '../metrics.js';
import { createBridge } from './bridge.js';
import { watchCatalogue } from './catalogue.js';
import { createFilter } from './filter.js';
import { readSessionKey } from './session_key.js';
import { createState } from './state.js';

export interface FilterService {
  close(): Promise<void>;
}

/** Problems: `port_in_use`, and `config_invalid` when the session key cannot be read. */
export async function startFilterService(
  config: Config,
  log: Log,
  metrics: Metrics,
): Promise<Outcome<FilterService>> {
  const key = readSessionKey(config.data);
  if (!key.ok) return key;
  const localToken = localTokens(config.data);
  if (!localToken.ok) return localToken;
  const { host, port, bridgePort } = config.filter;
  const targetOf = (service: string): Target => ({
    url: `http://localhost${aggregatePath}`,
    socketPath: config.bridgeSocket,
    headers: { [clusterHeader]: service },
  });
  const token = config.filter.token || localToken.value('filter');
  const catalogue = watchCatalogue(controlPlanes(config), log, () => credentials(config, token));
  const state = createState(catalogue.state, key.value, targetOf);
  const { sessions, upstreams } = state;
  const known = () => ({
    catalogue: catalogue.state.value,
    session: sessions.open.bind(sessions),
    upstream: upstreams.knownStraight.bind(upstreams),
  });
  const bridge = createBridge(state, metrics, log);
  const filter = createFilter(known, metrics, log);
  const close = async () => {
    catalogue.close();
    state.changes.close();
    await Promise.all([closeHttp(bridge), filter.close()]);
  };
  const listening = await Promise.allSettled([
    listenHttp(bridge, host, bridgePort),
    filter.listen(host, port),
  ]);
  const keys = ['filter.bridgePort', 'filter.port'] as const;
  const ports = [bridgePort, port];
  const problems = listening.flatMap((outcome, index) =>
    outcome.status === 'fulfilled'
      ? []
      : [portProblem(keys[index] ?? '', ports[index] ?? 0, outcome.reason)],
  );
  if (problems.length > 0) {
    await close();
    return failed(...problems);
  }
  log.info({ host, port, bridgePort }, 'filter service listens');
  return succeeded({ close });
}

function portProblem(path: string, port: number, cause: unknown) {
  const message = `Port ${port} (${path}) cannot be listened on: ${reasonOf(cause)}.`;
  return problem('port_in_use', { path }, `${message} Free it or set ${path} to another one.`);
}

/** On another machine it shows what its Envoy shows; read anew, as it is renewed. */
async function credentials(config: Config, localToken: string): Promise<Credentials> {
  const { identity, token } = config.filter;
  if (identity === '') return { token: localToken, roots: await localRoots(config.data) };
  const read = await readIdentity(identity);
  if (!read.ok) throw new Error(read.problems.map(({ message }) => message).join(' '));
  if (!read.value) throw new Error(`nobody has joined in ${identity} yet (filter.identity)`);
  const { chain, key, roots } = read.value;
  return { certificate: chain, key, roots, ...(token !== '' && { token }) };
}

function controlPlanes(config: Config): readonly string[] {
  const { controlPlanes } = config.filter;
  return controlPlanes.length > 0 ? controlPlanes : [adminUrlOf(config)];
}

async function listenHttp(server: HttpServer, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  });
}

/** Streams in progress do not hold up the end: agents come again through a replica or a restart. */
async function closeHttp(server: HttpServer): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
