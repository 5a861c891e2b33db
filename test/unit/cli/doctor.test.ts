import { expect } from 'chai';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { failed, problem, succeeded } from '../../../src/errors.js';
import { nodeOf, startOn, stateOf, stopAll } from '../admin/stage.js';
import { closedAddress, mcpx, type Setting } from './stage.js';

const taken = problem('port_in_use', { path: 'gateway.port' }, 'Set gateway.port to another.');
const envoy = () => succeeded({ path: '/usr/bin/envoy', version: '1.40.0' });

describe('mcpx doctor', () => {
  let data = '';
  beforeEach(() => (data = mkdtempSync(join(tmpdir(), 'mcpx-doctor-'))));
  afterEach(async () => {
    rmSync(data, { recursive: true });
    await stopAll();
  });

  const examine = (words: string[], setting: Setting = {}) =>
    mcpx(['doctor', ...words], {
      ...setting,
      env: { MCPX_DATA: data, ...setting.env },
      actions: { findEnvoy: () => Promise.resolve(envoy()), ...setting.actions },
    });

  it('finds nothing wrong where nothing is, and says what it looked at', async () => {
    const state = stateOf();
    state.nodesNow.set([nodeOf('edge-1')]);
    const { exitCode, out } = await examine(['--admin', await startOn(state)]);
    expect(exitCode).to.equal(0);
    for (const what of ['Node.js', 'Envoy', 'data folder', 'file registry', 'ports'])
      expect(out).to.match(new RegExp(`ok +${what}`));
    expect(out).to.contain('1 connected, all in sync');
  });

  it('warns that no control plane runs, and fails for a port another program holds', async () => {
    const actions = { portProblems: () => Promise.resolve([taken]) };
    const { exitCode, out, err } = await examine(['--admin', await closedAddress()], { actions });
    expect(exitCode).to.equal(1);
    expect(out).to.match(/warning +control plane +none answers/);
    expect(out).to.contain('control plane: Start one with `mcpx up`');
    expect(out).to.match(/failed +ports +gateway\.port is in use/);
    expect(out).to.contain('ports: Set gateway.port to another.');
    expect(err).to.match(/^1 of \d+ failed\.$/);
  });

  it('takes ports in use as right while MCPX runs', async () => {
    const actions = { portProblems: () => Promise.resolve([taken]) };
    const { exitCode, out } = await examine(['--admin', await startOn(stateOf())], { actions });
    expect(exitCode).to.equal(0);
    expect(out).to.match(/ok +ports +1 in use/);
  });

  it('fails for an Envoy that is too old, with the mend', async () => {
    const old = problem('envoy_too_old', {}, 'It is Envoy 1.20; set ENVOY_BIN to another.');
    const actions = { findEnvoy: () => Promise.resolve(failed(old)) };
    const { exitCode, out } = await examine([], { actions });
    expect(exitCode).to.equal(1);
    expect(out).to.match(/failed +Envoy +too old/);
    expect(out).to.contain('set ENVOY_BIN');
  });

  it('fails for a session key that others can read', async () => {
    const key = join(data, 'session.key');
    writeFileSync(key, 'x');
    chmodSync(key, 0o644);
    const { exitCode, out } = await examine([]);
    expect(exitCode).to.equal(1);
    expect(out).to.contain(`chmod 600 ${key}`);
    chmodSync(key, 0o600);
    expect((await examine([])).exitCode).to.equal(0);
  });

  it('fails for a registry that does not answer', async () => {
    const env = { MCPX_REGISTRY_CONSUL_ADDRESS: await closedAddress() };
    const { exitCode, out } = await examine([], { env });
    expect(exitCode).to.equal(1);
    expect(out).to.match(/failed +Consul .*ECONNREFUSED/);
    expect(out).to.contain('Consul: Start Consul, or correct registry.consul.address');
  });

  it('repeats the problems of the control plane, as JSON too', async () => {
    const state = stateOf();
    state.problemsNow.set([problem('server_unreachable', { service: 'claims' }, 'Start claims.')]);
    const { exitCode, out } = await examine(['--json', '--admin', await startOn(state)]);
    expect(exitCode).to.equal(1);
    const { checks } = JSON.parse(out) as { checks: object[] };
    expect(checks).to.deep.include({
      state: 'failed',
      what: 'problem',
      found: 'claims (server_unreachable)',
      mend: 'Start claims.',
    });
  });

  it('shows the configuration in effect, its secrets hidden', async () => {
    const env = { MCPX_REGISTRY_CONSUL_TOKEN: 'hush', MCPX_GATEWAY_PORT: '8088' };
    const { exitCode, out } = await examine(['--config'], { env });
    expect(exitCode).to.equal(0);
    expect(out).to.contain('port: 8088').and.contain('(set, hidden)');
    expect(out).not.to.contain('hush');
  });
});
