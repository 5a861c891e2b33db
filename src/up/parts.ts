/** The processes of one machine and what each needs to start: a table, in start order. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { adminUrlOf } from '../admin_client/address.js';
import { localFolder } from '../admission/identity_files.js';
import type { Config } from '../config.js';
import { environmentOf } from '../environment.js';
import { identityIsOn } from '../identity_on.js';
import { packageFile } from '../package_file.js';
import { bootstrapOf } from '../resources/bootstrap.js';
import type { ChildSpec } from './child.js';
import type { EnvoyBinary } from './envoy_binary.js';
import { httpUrl, reachedAt } from './ports.js';

/** What a child of ours needs of our own environment, beside the configuration. */
const inherited = ['PATH', 'HOME', 'TZ', 'LANG', 'NODE_EXTRA_CA_CERTS', 'XDG_CACHE_HOME'] as const;

function inheritedEnvironment(): Record<string, string | undefined> {
  return Object.fromEntries(inherited.map((name) => [name, process.env[name]]));
}

/** `mcpx serve` or `mcpx filter` with this very configuration. */
export function ownPart(name: 'serve' | 'filter', config: Config): ChildSpec {
  return {
    name: name === 'serve' ? 'control plane' : 'filter service',
    command: [process.execPath, packageFile('dist/src/main.js'), name],
    env: { ...inheritedEnvironment(), ...environmentOf(config) },
    // The configuration travels in variables: no mcpx.yaml is to be found there.
    cwd: config.data,
    health: `${name === 'serve' ? adminUrlOf(config) : httpUrl(bridgeOf(config))}/healthz`,
  };
}

const bridgeOf = ({ filter: { host, bridgePort } }: Config) => ({ host, port: bridgePort });

/** The control plane keeps the certificate of the Envoy beside it there. */
const identityOf = (config: Config) =>
  identityIsOn(config)
    ? { folder: localFolder(config.data), trustDomain: config.identity.trustDomain }
    : undefined;

/** Envoy does not start without the files it is to follow. Rejects when `signal` aborts. */
export async function whenIdentified(config: Config, signal: AbortSignal): Promise<void> {
  const identity = identityOf(config);
  while (identity && !existsSync(join(identity.folder, 'node.yaml'))) {
    if (signal.aborted) throw new Error('The control plane gave Envoy no certificate; gave up.');
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

const pollMs = 20;

/** Log lines as JSON, so that they can be shown like our own. */
const envoyLogFormat = '{"level":"%l","part":"envoy","msg":"%j"}';

export async function envoyPart(config: Config, { path }: EnvoyBinary): Promise<ChildSpec> {
  const bootstrap = join(config.data, 'envoy.yaml');
  const { envoy } = config;
  const xds = { ...config.xds, host: reachedAt(config.xds.host) };
  await mkdir(config.data, { recursive: true });
  await writeFile(
    bootstrap,
    bootstrapOf({
      ...{ node: `edge-${hostname()}`, xds: [xds], adminPort: envoy.adminPort },
      identity: identityOf(config),
    }),
  );
  const workers = envoy.concurrency === 0 ? [] : ['--concurrency', String(envoy.concurrency)];
  return {
    name: 'envoy',
    command: [
      ...[path, '-c', bootstrap, '--disable-hot-restart', ...workers],
      ...['--log-level', 'warning', '--log-format', envoyLogFormat],
    ] as [string, ...string[]],
    env: inheritedEnvironment(),
    health: `${httpUrl({ host: '127.0.0.1', port: envoy.adminPort })}/ready`,
  };
}
