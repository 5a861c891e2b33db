/** What is wrong with settings that are right each by itself. */
import { problem, type Problem } from './errors.js';
import { identityIsOn, type IdentitySettings } from './identity_on.js';
import { isLoopback } from './loopback.js';

type Source = 'file' | 'consul' | 'etcd';

interface Settings extends IdentitySettings {
  readonly identity: IdentitySettings['identity'] & {
    readonly issuer: string;
    readonly vault: { readonly address: string };
    readonly clearLinks: readonly string[];
  };
  readonly gateway: { readonly host: string; readonly tls: { readonly certificate: string } };
  readonly admin: { readonly host: string; readonly tokens: readonly unknown[] };
  readonly filter: { readonly host: string; readonly controlPlanes: readonly string[] };
  readonly registry: { readonly [source in Source]?: unknown } & {
    readonly write?: Source | undefined;
    readonly consul?: { readonly address: string } | undefined;
    readonly etcd?: { readonly endpoints: readonly string[] } | undefined;
  };
}

/** Problems: `config_invalid`. */
export const contradictions = (settings: Settings): Problem[] =>
  [unwritable, unguarded, distant, overheard, inClear].flatMap((check) => check(settings) ?? []);

function unwritable({ registry }: Settings): Problem | undefined {
  const { write } = registry;
  if (write === undefined || registry[write] !== undefined) return undefined;
  const message = `registry.write names ${write}, which is not configured. Set registry.${write}.`;
  return problem('config_invalid', { path: 'registry.write' }, message);
}

/** Whoever reaches the admin API without being asked who they are may do everything. */
function unguarded(config: Settings): Problem | undefined {
  const { admin } = config;
  if (isLoopback(admin.host) || admin.tokens.length > 0 || identityIsOn(config)) return undefined;
  const message =
    `admin.host is ${admin.host}, where others reach it, and nobody is asked who they are. Set ` +
    'admin.tokens (`mcpx token` makes one), or identity.mode: mutual, or admin.host: 127.0.0.1.';
  return problem('config_invalid', { path: 'admin.host' }, message);
}

/** What Envoy and the filter service say to each other is not encrypted. */
function distant(config: Settings): Problem | undefined {
  const { host } = config.filter;
  if (!identityIsOn(config) || isLoopback(host)) return undefined;
  const message =
    `filter.host is ${host}, and with identity on the filter service stands beside its Envoy, ` +
    'so that nothing leaves the machine in clear. Set filter.host: 127.0.0.1, and run ' +
    '`mcpx filter` on the machine of each edge.';
  return problem('config_invalid', { path: 'filter.host' }, message);
}

/** Whoever signs elsewhere makes the keys too, and sends them. */
function overheard(config: Settings): Problem | undefined {
  const { issuer, vault } = config.identity;
  const signers: Readonly<Record<string, readonly [string, string | undefined]>> = {
    consul: ['registry.consul.address', config.registry.consul?.address],
    vault: ['identity.vault.address', vault.address],
  };
  const [path = '', address = ''] = signers[issuer] ?? [];
  if (!identityIsOn(config) || !address.startsWith('http:')) return undefined;
  if (isLoopback(new URL(address).hostname)) return undefined;
  const message =
    `${path} is ${address}, and keys would come from there in clear. Begin it with https://, or ` +
    'name an agent on this machine (127.0.0.1).';
  return problem('config_invalid', { path }, message);
}

/** What else would leave the machine in clear, link by link; keys are never to. */
function inClear(config: Settings): Problem[] {
  if (!identityIsOn(config)) return [];
  const { gateway, registry, filter, identity } = config;
  const agentsHaveTls = gateway.tls.certificate !== '';
  const secured = 'Begin it with https://, name one on this machine (127.0.0.1)';
  const consul = identity.issuer === 'consul' ? undefined : registry.consul?.address;
  const links: Readonly<Record<string, Link>> = {
    gateway: {
      ...{ path: 'gateway.host', mend: 'Set gateway.tls' },
      addresses: agentsHaveTls ? [] : [gateway.host],
    },
    consul: { path: 'registry.consul.address', mend: secured, addresses: [consul ?? ''] },
    etcd: {
      ...{ path: 'registry.etcd.endpoints', mend: secured },
      addresses: registry.etcd?.endpoints ?? [],
    },
    controlPlanes: {
      ...{ path: 'filter.controlPlanes', mend: secured },
      addresses: filter.controlPlanes,
    },
  };
  return Object.entries(links)
    .filter(([link]) => !identity.clearLinks.includes(link))
    .flatMap(([link, { path, mend, addresses }]) =>
      addresses.filter(leavesInClear).map((address) => {
        const message =
          `${path} is ${address}: with identity on nothing leaves this machine in clear. ` +
          `${mend}, or add ${link} to identity.clearLinks where something else protects that way.`;
        return problem('config_invalid', { path }, message);
      }),
    );
}

interface Link {
  readonly path: string;
  readonly mend: string;
  readonly addresses: readonly string[];
}

/** Of an address to listen on, or a URL. */
function leavesInClear(address: string): boolean {
  if (URL.canParse(address)) {
    const { protocol, hostname } = new URL(address);
    return protocol === 'http:' && !isLoopback(hostname);
  }
  return address !== '' && !isLoopback(address);
}
