/** The processes of one machine and what each needs to start: a table, in start order. */
import { mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config.js';
import { environmentOf } from '../environment.js';
import { packageFile } from '../package_file.js';
import { edgeBootstrap } from '../resources/bootstrap.js';
import type { ChildSpec } from './child.js';
import type { EnvoyBinary } from './envoy_binary.js';
import { httpUrl } from './ports.js';

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
    health: `${httpUrl(name === 'serve' ? config.admin : bridgeOf(config))}/healthz`,
  };
}

const bridgeOf = ({ filter: { host, bridgePort } }: Config) => ({ host, port: bridgePort });

/** Log lines as JSON, so that they can be shown like our own. */
const envoyLogFormat = '{"level":"%l","part":"envoy","msg":"%j"}';

export async function envoyPart(config: Config, { path }: EnvoyBinary): Promise<ChildSpec> {
  const bootstrap = join(config.data, 'envoy.yaml');
  const { xds, envoy } = config;
  await mkdir(config.data, { recursive: true });
  await writeFile(
    bootstrap,
    edgeBootstrap({ node: `edge-${hostname()}`, xds: [xds], adminPort: envoy.adminPort }),
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
