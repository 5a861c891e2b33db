import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { adminOptionsOf, auditLogOf, auditStep } from '../../../src/admin/access.js';
import { localTokens } from '../../../src/admin_client/local_token.js';
import { readConfig } from '../../../src/config.js';
import { silentLog } from '../../../src/log.js';
import type { Proposal } from '../../../src/rollout/steering.js';
import { serviceOf, startOn, stateOf, stopAll } from './stage.js';

const token = { name: 'ana', role: 'admin', sha256: 'a'.repeat(64) };

describe('the processes of one machine and its admin API', () => {
  let data = '';
  beforeEach(() => (data = mkdtempSync(join(tmpdir(), 'mcpx-own-'))));
  afterEach(async () => {
    await stopAll();
    rmSync(data, { recursive: true });
  });

  const configWith = (flags: Record<string, unknown>) => {
    const read = readConfig({ env: {}, cwd: data, flags: { data, ...flags } });
    if (!read.ok) throw new Error(read.problems[0]?.message);
    return read.value;
  };

  const optionsOf = (flags: Record<string, unknown>) => {
    const config = configWith(flags);
    return adminOptionsOf(
      { config, tls: undefined, log: silentLog },
      auditLogOf(config, silentLog),
    );
  };

  it('know each other by a key in the data folder that is for its owner only', async () => {
    const options = optionsOf({ admin: { tokens: [token] } });
    if (!options.ok) throw new Error(options.problems[0]?.message);
    const { access, audit } = options.value;
    const url = await startOn(stateOf([serviceOf('claims')]), { access, audit });
    const tokens = localTokens(data);
    if (!tokens.ok) throw new Error('no tokens');
    const status = async (who: 'filter' | 'up' | 'cli', path: string, method = 'GET') => {
      const headers = { authorization: `Bearer ${tokens.value(who)}` };
      const answer = await fetch(`${url}${path}`, { method, headers });
      await answer.body?.cancel();
      return answer.status;
    };
    expect(await status('filter', '/v1/exposed')).to.equal(200);
    expect(await status('filter', '/v1/services')).to.equal(403);
    expect(await status('up', '/v1/tools')).to.equal(200);
    expect(await status('up', '/v1/services/policy', 'DELETE')).to.equal(404);
    expect(await status('up', '/v1/audit')).to.equal(403);
    expect(await status('cli', '/v1/audit')).to.equal(200);
    expect((await fetch(`${url}/v1/exposed`)).status).to.equal(401);
    expect(readFileSync(audit.path, 'utf8')).to.contain('"who":"mcpx up"');
  });

  it('of another machine have another key', () => {
    const other = mkdtempSync(join(tmpdir(), 'mcpx-own-'));
    const [here, there] = [localTokens(data), localTokens(other)];
    rmSync(other, { recursive: true });
    expect(here.ok && there.ok && here.value('up') !== there.value('up')).to.be.true;
  });

  it('are asked who they are as soon as anybody is: by tokens, or certificates', () => {
    const isOpen = (flags: Record<string, unknown>) => {
      const options = optionsOf(flags);
      return options.ok && options.value.access.open;
    };
    expect(isOpen({})).to.be.true;
    expect(isOpen({ identity: { mode: 'mutual' } })).to.be.false;
    expect(isOpen({ xds: { host: '0.0.0.0' } })).to.be.false;
    expect(isOpen({ admin: { tokens: [token] } })).to.be.false;
    expect(isOpen({ admin: { host: '0.0.0.0', tokens: [token] } })).to.be.false;
  });

  it('never leave the machine in clear where there are certificates', () => {
    const options = optionsOf({ identity: { mode: 'mutual' }, admin: { host: '0.0.0.0' } });
    expect(options.ok, 'without a certificate it is not started').to.be.false;
  });

  it('put down what the control plane did by itself, from what to what', async () => {
    const config = configWith({});
    const audit = auditLogOf(config, silentLog);
    const rollout = { id: 'claims-1', kind: 'canary', from: '1.0.0', to: '1.1.0', step: 0 };
    const of = (phase: string, what: string, share: number) => ({
      current: { ...rollout, phase, steps: [5, 100], events: [{ what, share, why: 'errors' }] },
      earlier: [],
    });
    const [before, after] = [of('running', 'start', 5), of('aborted', 'abort', 0)];
    auditStep(audit, { service: serviceOf('claims'), before, after } as unknown as Proposal);
    await audit.write({ id: '2', who: '', role: '', from: '', what: 'later', outcome: 'done' });
    const [line = ''] = readFileSync(audit.path, 'utf8').split('\n');
    expect(JSON.parse(line)).to.deep.include({
      who: 'mcpx',
      what: 'rollout abort',
      outcome: 'done',
    });
    expect(line).to.contain('"phase":"running"').and.contain('"phase":"aborted"');
    expect(line).to.contain('"why":"errors"');
  });
});
