/** `mcpx bootstrap`: what an Envoy on another machine is started with. */
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { identityIsOn } from '../identity_on.js';
import { isLoopback } from '../loopback.js';
import { isServiceName } from '../service_name.js';
import { addressIn, replicasIn, type Address } from './addresses.js';
import type { BootstrapSettings, Invocation, Run } from './command.js';
import { joiningWords, usualFolder } from './join.js';
import { wrongUsage } from './failure.js';
import { configFor } from './settings.js';

const given = z.object({
  role: z.string().default('edge'),
  service: z.string().optional(),
  inbound: z.string().default('0.0.0.0:3443'),
  outbound: z.string().default('127.0.0.1:15001'),
  local: z.string().default('127.0.0.1:3000'),
  node: z.string().optional(),
  xds: z.array(z.string()).optional(),
  folder: z.string().default(usualFolder),
  token: z.boolean().default(true),
  json: z.boolean().optional(),
});

export const bootstrap: Run = async (invocation) => {
  const options = given.parse(invocation.options);
  const { role, node, xds, json } = options;
  if (role !== 'edge' && role !== 'sidecar')
    throw wrongUsage(`--role must be edge or sidecar, not ${role}.`);
  const config = configFor(invocation);
  const sidecar = role === 'sidecar' ? sidecarOf(options) : undefined;
  const listening = /^(0\.0\.0\.0|::)$/.test(config.xds.host);
  if (xds === undefined && listening)
    throw wrongUsage(
      `xds.host is ${config.xds.host}, which is no address to connect to. Say with --xds ` +
        'HOST:PORT where that Envoy finds the control plane.',
    );
  const settings = {
    node: node ?? `${sidecar?.service ?? 'edge'}-${hostname()}`,
    xds: xds === undefined ? [config.xds] : replicasIn(xds),
    adminPort: config.envoy.adminPort,
    ...(sidecar && { sidecar }),
    ...(identityIsOn(config) && {
      identity: {
        folder: resolve(invocation.terminal.cwd, options.folder),
        trustDomain: config.identity.trustDomain,
      },
    }),
  };
  const yaml = await invocation.actions.bootstrap(settings);
  const words = await joining(invocation, settings, options.token);
  // Beside the bootstrap, never in it: a file that anybody may read would hold the token.
  if (words !== undefined) invocation.terminal.err(words);
  invocation.terminal.out(json ? JSON.stringify(parse(yaml), undefined, 2) : yaml.trimEnd());
  return 0;
};

/** Undefined where identity is off, or somebody has a token already. */
async function joining(
  invocation: Invocation,
  { xds, sidecar, identity }: BootstrapSettings,
  wanted: boolean,
): Promise<string | undefined> {
  if (!identity || !wanted) return undefined;
  const wish = sidecar
    ? ({ role: 'sidecar', service: sidecar.service } as const)
    : ({ role: 'edge' } as const);
  return joiningWords(invocation, wish, { xds, folder: identity.folder });
}

function sidecarOf({ service, inbound, outbound, local }: z.infer<typeof given>) {
  if (service === undefined || !isServiceName(service))
    throw wrongUsage('--service must name the service that the sidecar stands beside: claims.');
  return {
    service,
    inbound: ipAddressIn('--inbound', inbound),
    // Whoever calls there calls as this service.
    outbound: onThisMachine('--outbound', outbound),
    // It is called in clear.
    local: onThisMachine('--local', local),
  };
}

function onThisMachine(flag: string, text: string): Address {
  const address = ipAddressIn(flag, text);
  if (isLoopback(address.host)) return address;
  throw wrongUsage(`${flag} must be on loopback, as 127.0.0.1:${address.port}, not ${text}.`);
}

/** Envoy binds and dials these by IP address. */
function ipAddressIn(flag: string, text: string): Address {
  const address = addressIn(text.replace(/^localhost:/, '127.0.0.1:'), flag);
  if (isIP(address.host) !== 0) return address;
  throw wrongUsage(`${flag} must be IP:PORT such as 10.0.0.8:3443, not ${text}.`);
}
