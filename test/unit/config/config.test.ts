import { expect } from 'chai';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { nearest, readConfig, variableFor, type Config } from '../../../src/config.js';

const nowhere = join(tmpdir(), 'mcpx-no-such-folder');

type Given = Partial<Parameters<typeof readConfig>[0]>;

function read(given: Given): Config {
  const outcome = readConfig({ env: {}, cwd: nowhere, ...given });
  if (!outcome.ok) throw new Error(outcome.problems.map(({ message }) => message).join('\n'));
  return outcome.value;
}

function complaints(given: Given): string[] {
  const outcome = readConfig({ env: {}, cwd: nowhere, ...given });
  if (outcome.ok) throw new Error('it was accepted');
  for (const { code } of outcome.problems) expect(code).to.equal('config_invalid');
  return outcome.problems.map(({ subject, message }) => `${subject.path ?? ''} | ${message}`);
}

describe('the configuration', () => {
  let cwd: string;
  beforeEach(() => (cwd = mkdtempSync(join(tmpdir(), 'mcpx-config-'))));
  afterEach(() => rmSync(cwd, { recursive: true }));

  const write = (settings: unknown, name = 'mcpx.yaml') =>
    writeFileSync(join(cwd, name), typeof settings === 'string' ? settings : stringify(settings));

  it('needs no file: all listens on loopback, the registry is a file of the data folder', () => {
    const config = read({ cwd });
    const { gateway, admin, xds, filter } = config;
    for (const { host } of [gateway, admin, xds, filter]) expect(host).to.equal('127.0.0.1');
    expect(config.data).to.equal(join(cwd, '.mcpx'));
    expect(config.registry.file).to.equal(join(cwd, '.mcpx', 'services.yaml'));
  });

  it('takes mcpx.yaml of the working folder, or the file that is named', () => {
    write({ gateway: { port: 81 } });
    write({ gateway: { port: 82 } }, 'other.yaml');
    expect(read({ cwd }).gateway.port).to.equal(81);
    expect(read({ cwd, file: 'other.yaml' }).gateway.port).to.equal(82);
  });

  it('lets flags win over variables, and variables over the file', () => {
    write({ gateway: { host: '10.0.0.1', port: 81 }, admin: { port: 91 } });
    const env = { MCPX_GATEWAY_PORT: '82', MCPX_ADMIN_PORT: '92' };
    const { gateway, admin } = read({ cwd, env, flags: { gateway: { port: 83 } } });
    expect([gateway.host, gateway.port, admin.port]).to.deep.equal(['10.0.0.1', 83, 92]);
  });

  it('keeps the filter service beside its Envoy where identity is on', () => {
    const flags = { filter: { host: '10.0.0.5' } };
    const read = readConfig({ env: {}, cwd: '/nonexistent', flags });
    expect(read.ok, 'identity is off').to.equal(true);
    for (const on of [{ identity: { mode: 'mutual' } }, { xds: { host: '10.0.0.5' } }]) {
      const refused = readConfig({ env: {}, cwd: '/nonexistent', flags: { ...flags, ...on } });
      const problems = refused.ok ? [] : refused.problems;
      expect(problems.map(({ subject }) => subject.path)).to.deep.equal(['filter.host']);
      expect(problems[0]?.message).to.contain('127.0.0.1');
    }
  });

  it('has no keys sent to it in clear from another machine', () => {
    const far = 'http://10.0.0.9:8200';
    const pathsOf = (identity: object, registry = {}) => {
      const flags = { identity: { mode: 'mutual', ...identity }, registry };
      const read = readConfig({ env: {}, cwd: '/nonexistent', flags });
      return read.ok ? [] : read.problems.map(({ subject }) => subject.path);
    };
    const byVault = (address: string) => pathsOf({ issuer: 'vault', vault: { address } });
    const byConsul = { issuer: 'consul' };
    expect(byVault(far)).to.deep.equal(['identity.vault.address']);
    expect(pathsOf(byConsul, { consul: { address: far } })).to.deep.equal([
      'registry.consul.address',
    ]);
    expect(byVault('https://10.0.0.9:8200'), 'encrypted').to.deep.equal([]);
    expect(byVault('http://[::1]:8200'), 'of this machine').to.deep.equal([]);
    const clearLinks = { clearLinks: ['consul'] };
    expect(pathsOf(clearLinks, { consul: { address: far } }), 'which signs nobody').to.deep.equal(
      [],
    );
    expect(pathsOf({ ...clearLinks, ...byConsul }, { consul: { address: far } })).to.deep.equal([
      'registry.consul.address',
    ]);
  });

  it('keeps an environment apart in every registry and in the data folder', () => {
    write({ registry: { file: 'services.yaml', consul: {}, etcd: {} } });
    const { data, registry } = read({ cwd, flags: { environment: 'staging' } });
    expect(data).to.equal(join(cwd, '.mcpx', 'staging'));
    expect(registry.file).to.equal(join(cwd, 'services.staging.yaml'));
    expect(registry.etcd?.prefix).to.equal('/mcpx-staging');
    const bare = read({ cwd: nowhere, env: { MCPX_ENVIRONMENT: 'staging' } });
    expect(bare.registry.file).to.match(/\.mcpx\/staging\/services\.staging\.yaml$/);
    expect(complaints({ cwd, flags: { environment: 'Not/one' } })).to.deep.equal([
      'environment | environment: must be a name such as staging.',
    ]);
  });

  it('lets nobody unknown reach the admin API from another machine', () => {
    const beyond = { MCPX_ADMIN_HOST: '0.0.0.0' };
    const [complaint = ''] = complaints({ env: beyond });
    expect(complaint).to.match(/^admin\.host \|.*mcpx token.*identity\.mode/);
    const sha256 = 'a'.repeat(64);
    const tokens = `[{name: ana, role: viewer, sha256: "${sha256}"}]`;
    expect(read({ env: { ...beyond, MCPX_ADMIN_TOKENS: tokens } }).admin.tokens).to.have.length(1);
    expect(read({ env: { ...beyond, MCPX_IDENTITY_MODE: 'mutual' } }).admin.host).to.equal(
      '0.0.0.0',
    );
    expect(read({ env: { ...beyond, MCPX_XDS_HOST: '10.0.0.5' } }).admin.host).to.equal('0.0.0.0');
    const off = { ...beyond, MCPX_XDS_HOST: '10.0.0.5', MCPX_IDENTITY_MODE: 'off' };
    expect(complaints({ env: off })).to.have.length(1);
  });

  describe('with identity on', () => {
    const mutual = { mode: 'mutual' };
    const onlyTls = { certificate: 'gateway.pem', key: 'gateway-key.pem' };
    const elsewhere = {
      gateway: { gateway: { host: '0.0.0.0' } },
      consul: { registry: { consul: { address: 'http://10.0.0.7:8500' } } },
      etcd: {
        registry: { etcd: { endpoints: ['https://10.0.0.7:2379', 'http://10.0.0.8:2379'] } },
      },
      controlPlanes: { filter: { controlPlanes: ['http://10.0.0.5:8081'] } },
    };
    for (const [link, settings] of Object.entries(elsewhere))
      it(`lets nothing of ${link} leave the machine in clear, unless it is told to`, () => {
        const [complaint = '', ...others] = complaints({
          flags: { ...settings, identity: mutual },
        });
        expect(others).to.deep.equal([]);
        expect(complaint).to.contain('in clear').and.contain(`add ${link} to identity.clearLinks`);
        const told = { ...mutual, clearLinks: [link] };
        expect(read({ flags: { ...settings, identity: told } }).identity.mode).to.equal('mutual');
        expect(read({ flags: { ...settings, identity: { mode: 'off' } } }).data).to.be.a('string');
      });

    it('takes what is encrypted, and what stays on the machine', () => {
      const flags = {
        identity: mutual,
        gateway: { host: '0.0.0.0', tls: onlyTls },
        registry: {
          consul: { address: 'https://10.0.0.7:8501' },
          etcd: { endpoints: ['http://localhost:2379', 'http://[::1]:2379'] },
        },
        filter: { controlPlanes: ['https://10.0.0.5:8081', 'http://127.0.0.1:8081'] },
      };
      expect(read({ flags }).gateway.host).to.equal('0.0.0.0');
    });
  });

  it('knows what the command line reads of the environment', () => {
    const env = {
      ...{ MCPX_ADMIN_TOKEN: 'x', MCPX_ADMIN_ROOTS: 'x' },
      ...{ MCPX_ADMIN_CERTIFICATE: 'x', MCPX_ADMIN_KEY: 'x' },
    };
    expect(read({ env }).admin.tokens).to.deep.equal([]);
  });

  it('makes paths absolute from the working folder', () => {
    write({ data: 'kept', registry: { file: 'fleet/services.yaml' } });
    const config = read({ cwd });
    expect(config.data).to.equal(join(cwd, 'kept'));
    expect(config.registry.file).to.equal(join(cwd, 'fleet', 'services.yaml'));
  });

  it('has no embedded registry beside Consul or etcd unless a file is named', () => {
    const flags = { registry: { consul: {} } };
    expect(read({ flags }).registry.file).to.equal(undefined);
    expect(read({ flags }).registry.consul?.address).to.equal('http://127.0.0.1:8500');
    const both = { registry: { etcd: {}, file: '/fleet.yaml' } };
    expect(read({ flags: both }).registry.file).to.equal('/fleet.yaml');
  });

  it('holds back a sudden loss of half of five or more, for 30 s, unless told otherwise', () => {
    expect(read({}).registry.suddenLoss).to.deep.equal({ share: '50%', least: 5, hold: '30s' });
    const env = { MCPX_REGISTRY_SUDDEN_LOSS_SHARE: '100%', MCPX_REGISTRY_SUDDEN_LOSS_HOLD: '5m' };
    expect(read({ env }).registry.suddenLoss).to.deep.equal({
      share: '100%',
      least: 5,
      hold: '5m',
    });
    const suddenLoss = { share: '101%', least: 0, hold: 'soon' };
    expect(complaints({ flags: { registry: { suddenLoss } } }).join('\n'))
      .to.include('a percentage such as 50%')
      .and.include('a duration such as 30s')
      .and.include('registry.suddenLoss.least');
  });

  it('puts the bridge socket where its path is short enough for a socket', () => {
    expect(read({ flags: { data: '/var/lib/mcpx' } }).bridgeSocket).to.equal(
      '/var/lib/mcpx/bridge.sock',
    );
    const deep = `/${'deep/'.repeat(30)}`;
    const [one, other] = [deep, `${deep}er`].map((data) => read({ flags: { data } }).bridgeSocket);
    expect(Buffer.byteLength(one ?? '')).to.be.at.most(107);
    expect(one).not.to.equal(other);
  });

  it('is frozen to its leaves', () => {
    const config = read({});
    expect(() => Object.assign(config.gateway, { port: 1 })).to.throw(TypeError);
    expect(() => config.gateway.allowedHosts.push('evil.example')).to.throw(TypeError);
  });

  describe('variables', () => {
    it('are called by the path of the setting, words split', () => {
      expect(variableFor(['filter', 'bridgePort'])).to.equal('MCPX_FILTER_BRIDGE_PORT');
      expect(variableFor(['registry', 'consul', 'token'])).to.equal('MCPX_REGISTRY_CONSUL_TOKEN');
    });

    it('hold lists as YAML', () => {
      const env = { MCPX_GATEWAY_ALLOWED_HOSTS: '[a.example, "*"]' };
      expect(read({ env }).gateway.allowedHosts).to.deep.equal(['a.example', '*']);
    });

    for (const token of ['12345', '1e5', 'true', '@b:c', '*all', '%d', 'a: b', "it's"])
      it(`hold text as it is: ${token}`, () => {
        const env = { MCPX_REGISTRY_CONSUL_TOKEN: token };
        expect(read({ env }).registry.consul?.token).to.equal(token);
      });

    it('may put text in quotes', () => {
      const env = { MCPX_REGISTRY_CONSUL_TOKEN: '"12345"', MCPX_ENVOY_BINARY: "''" };
      const { registry, envoy } = read({ env, flags: {} });
      expect([registry.consul?.token, envoy.binary]).to.deep.equal(['12345', '']);
    });

    it('that are empty leave the setting alone', () => {
      write({ gateway: { port: 81 } });
      const env = { MCPX_GATEWAY_PORT: '', MCPX_REGISTRY_CONSUL_TOKEN: '' };
      const { gateway, registry } = read({ cwd, env });
      expect([gateway.port, registry.consul]).to.deep.equal([81, undefined]);
    });

    it('that name no setting are answered with the nearest one', () => {
      expect(complaints({ cwd, env: { MCPX_GATWAY_PORT: '80', PATH: '/bin' } })).to.deep.equal([
        'MCPX_GATWAY_PORT | Unknown variable MCPX_GATWAY_PORT. Did you mean MCPX_GATEWAY_PORT?',
      ]);
    });

    it('that are no YAML are told by their name', () => {
      const [said, ...more] = complaints({ env: { MCPX_GATEWAY_ALLOWED_HOSTS: '[*, a' } });
      expect(more).to.deep.equal([]);
      expect(said).to.match(/^gateway\.allowedHosts \| MCPX_GATEWAY_ALLOWED_HOSTS is no YAML: /);
    });
  });

  describe('mistakes', () => {
    it('a key with nothing behind it: says what stands for its defaults', () => {
      write('registry:\n  consul:\nlog:\n  level:\n');
      const orElse = 'or take the key out.';
      expect(complaints({ cwd })).to.deep.equal([
        `registry.consul | registry.consul is empty: write {} there for its defaults, ${orElse}`,
        `log.level | log.level is empty: give it a value, ${orElse}`,
      ]);
      write({ registry: { consul: {} } });
      expect(read({ cwd }).registry.consul?.address).to.equal('http://127.0.0.1:8500');
    });

    it('are told all at once, each with its path', () => {
      write({
        gateway: { port: 0 },
        log: { level: 'loud' },
        registry: { etcd: { endpoints: [] } },
      });
      const paths = complaints({ cwd }).map((said) => said.split(' | ')[0]);
      expect(paths).to.have.members(['gateway.port', 'log.level', 'registry.etcd.endpoints']);
    });

    it('of a write target that is no configured registry are told', () => {
      write({ registry: { consul: {}, write: 'etcd' } });
      expect(complaints({ cwd })).to.deep.equal([
        'registry.write | registry.write names etcd, which is not configured. Set registry.etcd.',
      ]);
    });

    it('in the file and in variables are told together', () => {
      write('gateway: [');
      expect(complaints({ cwd, env: { MCPX_GATEWAY_PORT: '[' } })).to.have.length(2);
    });

    it('of spelling are answered with the nearest key of the same section', () => {
      write({ gatway: {}, gateway: { prot: 1 }, registry: { consul: { adress: '' } } });
      const said = complaints({ cwd });
      expect(said).to.include('gatway | Unknown key gatway. Did you mean gateway?');
      expect(said).to.include('gateway.prot | Unknown key gateway.prot. Did you mean port?');
      expect(said).to.include(
        'registry.consul.adress | Unknown key registry.consul.adress. Did you mean address?',
      );
    });

    it('are not answered with a key that only another section has', () => {
      expect(complaints({ flags: { gateway: { level: 1 } } })).to.deep.equal([
        'gateway.level | Unknown key gateway.level.',
      ]);
    });

    it('say which file cannot be read, be it missing, no YAML or no mapping', () => {
      expect(complaints({ cwd, file: 'gone.yaml' })[0]).to.include(join(cwd, 'gone.yaml'));
      write('gateway: [');
      expect(complaints({ cwd })[0]).to.include('mcpx.yaml cannot be read');
      write('- gateway');
      expect(complaints({ cwd })[0]).to.include('must be a mapping of settings');
    });
  });

  it('knows the nearest of several words, and none that is far away', () => {
    expect(nearest('adress', ['port', 'address', 'addresses'])).to.equal('address');
    expect(nearest('concurency', ['concurrency', 'binary'])).to.equal('concurrency');
    expect(nearest('colour', ['port', 'host'])).to.equal(undefined);
    expect(nearest('x', [])).to.equal(undefined);
  });
});
