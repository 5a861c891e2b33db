import { expect } from 'chai';
import fc from 'fast-check';
import { readConfig, type Config } from '../../../src/config.js';
import { environmentOf } from '../../../src/environment.js';

function read(flags: Record<string, unknown>, env: Record<string, string>, cwd: string): Config {
  const outcome = readConfig({ flags, env, cwd });
  if (!outcome.ok) throw new Error(outcome.problems.map(({ message }) => message).join('\n'));
  return outcome.value;
}

/** What a child reads that was started elsewhere with nothing but these variables. */
const inherited = (config: Config) => read({}, environmentOf(config), '/nonexistent/child');

/** Every setting there is, none of them at its default. */
const everything = {
  environment: 'staging',
  environments: { production: { admin: 'http://10.0.0.7:8081' } },
  data: '/var/lib/mcpx',
  registry: {
    file: '/etc/mcpx/services.yaml',
    consul: { address: 'http://10.0.0.1:8500', token: '0123', datacenter: 'eu' },
    etcd: { endpoints: ['http://10.0.0.2:2379', 'http://10.0.0.3:2379'], prefix: '/fleet' },
    write: 'consul',
    allowedTargets: ['10.0.0.0/8', 'fd00::/8'],
    clearTargets: ['10.1.0.0/16'],
    suddenLoss: { share: '30%', least: 3, hold: '5m' },
  },
  gateway: {
    ...{ host: '0.0.0.0', port: 1, allowedHosts: ['*'], allowedOrigins: ['https://a.example'] },
    tls: { certificate: '/gateway.pem', key: '/gateway-key.pem', clients: '/clients.pem' },
  },
  identity: {
    ...{ mode: 'mutual', trustDomain: 'example.org', life: '12h', issuer: 'vault' },
    authority: { certificate: '/root.pem', key: '/root-key.pem' },
    files: { folder: '/certificates' },
    vault: { address: 'https://10.0.0.9:8200', mount: 'mcp', role: 'servers', token: 's.1' },
    clearLinks: ['consul', 'etcd', 'controlPlanes'],
    revoked: [{ workload: 'claims', before: '2026-02-03T16:05:00Z' }],
    serverRoots: '/servers.pem',
  },
  admin: {
    ...{ host: '::1', port: 2 },
    tokens: [{ name: 'ana', role: 'operator', sha256: 'a'.repeat(64) }],
  },
  xds: {
    ...{ host: '10.0.0.4', port: 3 },
    limits: {
      ...{ streamsPerNode: 10, streamsPerAddress: 11, connectionsPerAddress: 12 },
      ...{ namesPerSubscription: 13, nameBytesPerAddress: 15, admittedPerSecond: 14 },
    },
  },
  filter: {
    ...{ host: '127.0.0.2', port: 4, bridgePort: 5, controlPlanes: ['http://10.0.0.6:8081'] },
    ...{ token: 'mcpxa_1', identity: '/var/lib/node' },
  },
  envoy: { binary: '/opt/envoy', concurrency: 6, adminPort: 7 },
  log: { level: 'debug' },
};

const leaves = (value: unknown, path = ''): string[] =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.entries(value).flatMap(([key, inner]) => leaves(inner, `${path}.${key}`))
    : [`${path}=${JSON.stringify(value)}`];

describe('a configuration handed to a child process', () => {
  it('arrives whole, setting by setting', () => {
    const config = read(everything, {}, '/');
    expect(leaves(inherited(config))).to.have.members(leaves(config));
  });

  it('is tried above with every setting the configuration has, none at its default', () => {
    const bare = leaves(read({ registry: { consul: {}, etcd: {} } }, {}, '/'));
    const given = leaves(read(everything, {}, '/'));
    expect(given.filter((leaf) => bare.includes(leaf))).to.deep.equal([]);
    const paths = (list: string[]) => list.map((leaf) => leaf.split('=')[0]);
    expect(paths(given)).to.include.members(paths(bare));
  });

  it('arrives as it is where nothing was set: defaults and what is absent', () => {
    const config = read({}, {}, '/work');
    expect(inherited(config)).to.deep.equal(config);
    expect(inherited(read({ registry: { etcd: {} } }, {}, '/')).registry).not.to.have.any.keys(
      'consul',
      'file',
    );
  });

  it('arrives whatever text a setting holds', () => {
    const arrived = fc.property(fc.string(), fc.string({ minLength: 1 }), (token, host) => {
      const flags = { registry: { consul: { token } }, gateway: { host, allowedOrigins: [token] } };
      const config = read(flags, {}, '/');
      expect(inherited(config)).to.deep.equal(config);
    });
    fc.assert(arrived);
  });
});
