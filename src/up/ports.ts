/** The ports MCPX listens on, and which of them somebody else holds. */
import { connect, createServer } from 'node:net';
import { variableFor, type Config } from '../config.js';
import { problem, type Problem } from '../errors.js';

interface PortUse {
  readonly host: string;
  readonly port: number;
  /** The key that changes it. */
  readonly key: string;
  readonly what: string;
}

export function portsOf(config: Config): readonly PortUse[] {
  const { gateway, admin, xds, filter, envoy } = config;
  return [
    { ...gateway, key: 'gateway.port', what: 'the gateway' },
    { ...admin, key: 'admin.port', what: 'the admin API' },
    { ...xds, key: 'xds.port', what: 'xDS' },
    { ...filter, key: 'filter.port', what: 'the filter service' },
    { ...filter, port: filter.bridgePort, key: 'filter.bridgePort', what: 'the bridge' },
    { host: '127.0.0.1', port: envoy.adminPort, key: 'envoy.adminPort', what: "Envoy's admin" },
  ];
}

/** Where to connect to, when one listens there: that may be a wildcard. */
export const reachedAt = (host: string): string =>
  ['0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host;

export function httpUrl({ host, port }: Pick<PortUse, 'host' | 'port'>): string {
  const reached = reachedAt(host);
  return `http://${reached.includes(':') ? `[${reached}]` : reached}:${port}`;
}

/** One `port_in_use` for every port that cannot be bound now, or is asked for twice. */
export async function portProblems(config: Config): Promise<readonly Problem[]> {
  const uses = portsOf(config);
  const problems: Problem[] = [];
  for (const [index, use] of uses.entries()) {
    const twin = uses.slice(0, index).find(({ port }) => port === use.port);
    const reason = twin ? `${twin.key} has the same` : await bindFailure(use);
    if (reason === undefined) continue;
    problems.push(
      reason === 'EADDRINUSE' || twin ? takenProblem(use, reason) : unusableProblem(use, reason),
    );
  }
  return problems;
}

function takenProblem({ port, what, key }: PortUse, reason: string): Problem {
  const message =
    `Port ${port} for ${what} is not free (${reason}). Stop what holds it, ` +
    `or set ${key} in mcpx.yaml or ${variableFor(key.split('.'))} to another port.`;
  return problem('port_in_use', { path: key }, message);
}

/** Nobody holds it, and still it cannot be had: not our address, or no right to it. */
function unusableProblem({ host, port, what, key }: PortUse, reason: string): Problem {
  const [part = key] = key.split('.');
  const message =
    `${host}:${port} for ${what} cannot be listened on (${reason}). ` +
    `Check ${part}.host and ${key} in mcpx.yaml.`;
  return problem('config_invalid', { path: key }, message);
}

async function bindFailure({ host, port }: PortUse): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

const pollMs = 20;

/** Resolves when something accepts connections there; rejects when `signal` aborts. */
export async function whenListening(
  host: string,
  port: number,
  signal: AbortSignal,
): Promise<void> {
  while (!(await accepts(host, port))) {
    if (signal.aborted) throw new Error(`Nothing answers on ${host}:${port} yet; gave up.`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

async function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
