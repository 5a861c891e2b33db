import { expect } from 'chai';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../../../src/config.js';
import { problem } from '../../../src/errors.js';
import { nodeOf, startOn, stateOf, stopAll } from '../admin/stage.js';
import { closedAddress, mcpx } from './stage.js';

const file = `
services:
  - name: policy
    version: 2.0.0
    url: http://127.0.0.1:3001/mcp
  - name: claims
    version: 2.1.0
    url: http://127.0.0.1:3000/mcp
    dependsOn: ["policy@^2"]
`;

describe('mcpx plan', () => {
  afterEach(stopAll);

  const step = { what: 'register', service: 'claims', version: '2.1.0', problems: [] } as const;
  const made = {
    steps: [{ ...step, change: 'added' as const }],
    resources: [{ kind: 'cluster', name: 'claims', change: 'added', bytes: 420 } as const],
    appeared: [],
    mended: [],
  };

  it('shows the steps, and what every connected Envoy would be sent', async () => {
    const state = stateOf();
    state.nodesNow.set([nodeOf('edge-1'), nodeOf('edge-2')]);
    const admin = await startOn({ ...state, plan: () => made });
    const words = ['plan', '-f', '-', '--admin', admin];
    const { exitCode, out } = await mcpx(words, { input: file });
    expect(exitCode).to.equal(0);
    expect(out).to.match(/added +claims +2\.1\.0/);
    expect(out).to.match(/added +cluster +claims +420/);
    expect(out).to.contain('edge-2: 1 resources, 420 bytes');
    const json = await mcpx([...words, '--json'], { input: file });
    expect(JSON.parse(json.out)).to.have.nested.property('nodes[1].bytes', 420);
  });

  it('fails where a step would be refused, and says why', async () => {
    const problems = [problem('dependency_unmet', {}, 'claims 2.1.0 depends on policy@^2.')];
    const refused = { ...made, steps: [{ ...step, change: 'refused' as const, problems }] };
    const admin = await startOn({ ...stateOf(), plan: () => refused });
    const { exitCode, out } = await mcpx(['plan', '-f', '-', '--admin', admin], { input: file });
    expect(exitCode).to.equal(1);
    expect(out).to.contain('refused').and.to.contain('claims 2.1.0 depends on policy@^2.');
  });

  it('says so while not every registry was heard', async () => {
    const admin = await startOn(stateOf());
    const { exitCode, err } = await mcpx(['plan', '-f', '-', '--admin', admin], { input: file });
    expect(exitCode).to.equal(1);
    expect(err).to.contain('Not every registry was heard yet');
  });

  it('plans for an empty fleet where none answers, unless one was named', async () => {
    const [free] = /\d+$/.exec(await closedAddress()) ?? [''];
    const empty = { steps: [], resources: [], nodes: [], problems: { appeared: [], mended: [] } };
    const actions = { plan: () => Promise.resolve(empty) };
    const env = { MCPX_ADMIN_PORT: free };
    const alone = await mcpx(['plan', '-f', '-'], { input: file, actions, env });
    expect(alone.exitCode, alone.err).to.equal(0);
    expect(alone.err).to.contain('planned for an empty fleet');
    const named = ['plan', '-f', '-', '--admin', await closedAddress()];
    const failed = await mcpx(named, { input: file, actions });
    expect(failed.exitCode).to.equal(1);
    expect(failed.err).to.contain('No control plane answers');
  });

  for (const [what, input] of [
    ['empty', ''],
    ['of another shape', 'services: {claims: {}}'],
    ['with a key nobody knows', 'delete: [claims]'],
    ['no YAML', 'services: ['],
  ] as const)
    it(`says what is wrong with a file that is ${what}`, async () => {
      const { exitCode, err } = await mcpx(['plan', '-f', '-'], { input });
      expect(exitCode).to.equal(1);
      expect(err).to.match(/^stdin (must be as services.yaml|cannot be read)/);
    });
});

describe('mcpx apply', () => {
  afterEach(stopAll);

  it('makes the changes in order, and tells those that were there apart', async () => {
    const admin = await startOn(stateOf());
    const words = ['apply', '-f', '-', '--admin', admin];
    const first = await mcpx(words, { input: file });
    expect(first.exitCode, first.err).to.equal(0);
    expect(first.out).to.equal(
      '[1/2] policy 2.0.0: added at 127.0.0.1:3001\n[2/2] claims 2.1.0: added at 127.0.0.1:3000',
    );
    const again = await mcpx(words, { input: `${file}remove: [vessels]\n` });
    expect(again.exitCode).to.equal(0);
    expect(again.out.match(/unchanged/g)).to.have.length(3);
  });

  it('removes services, and single instances', async () => {
    const admin = await startOn(stateOf());
    const env = { MCPX_ADMIN_URL: admin };
    await mcpx(['apply', '-f', '-'], { input: file, env });
    const input = 'remove: ["claims/127.0.0.1:9", "claims/127.0.0.1:3000", policy]';
    const { exitCode, out } = await mcpx(['apply', '-f', '-'], { input, env });
    expect(exitCode).to.equal(0);
    expect(out.split('\n')).to.deep.equal([
      '[1/3] remove claims/127.0.0.1:9: unchanged, it is not there',
      '[2/3] remove claims/127.0.0.1:3000: removed 127.0.0.1:3000',
      '[3/3] remove policy: removed 127.0.0.1:3001',
    ]);
  });

  it('ends at the first that fails, and says what is done and what is not', async () => {
    const admin = await startOn(stateOf());
    const input = `${file}  - {name: vessels, version: two, url: "http://127.0.0.1:3002/mcp"}
  - {name: late, version: 1.0.0, url: "http://127.0.0.1:3003/mcp"}
remove: [old]
`;
    const words = ['apply', '-f', '-', '--admin', admin];
    const { exitCode, out, err } = await mcpx(words, { input });
    expect(exitCode).to.equal(1);
    expect(out.split('\n')).to.have.length(2);
    expect(err).to.contain('vessels two: version must be a semantic version');
    expect(err).to.contain('2 of 5 are done, and stay. Not done: vessels two, late 1.0.0, remove');
    const listed = await (await fetch(`${admin}/v1/services`)).text();
    expect(listed).not.to.contain('late');
    const json = await mcpx([...words, '--json'], { input });
    expect(JSON.parse(json.out)).to.deep.include({
      failed: 'vessels two',
      left: ['vessels two', 'late 1.0.0', 'remove old'],
    });
  });
});

describe('a command with --env', () => {
  let cwd: string;
  beforeEach(() => (cwd = mkdtempSync(join(tmpdir(), 'mcpx-env-'))));
  afterEach(async () => {
    rmSync(cwd, { recursive: true });
    await stopAll();
  });

  const settings = (value: object) => writeFileSync(join(cwd, 'mcpx.yaml'), JSON.stringify(value));

  it('goes to the admin API of that environment, whatever else is named by variables', async () => {
    settings({ environments: { staging: { admin: await startOn(stateOf()) } } });
    const env = { MCPX_ADMIN_URL: await closedAddress() };
    const { exitCode, err } = await mcpx(['service', 'list', '--env', 'staging'], { cwd, env });
    expect(exitCode, err).to.equal(0);
  });

  it('goes to the one here where it is of that environment', async () => {
    const { port } = new URL(await startOn(stateOf()));
    settings({ environment: 'staging', admin: { port: Number(port) } });
    expect((await mcpx(['service', 'list', '--env', 'staging'], { cwd })).exitCode).to.equal(0);
  });

  it('goes nowhere when it is known of none: production is not staging', async () => {
    const { port } = new URL(await startOn(stateOf()));
    settings({ admin: { port: Number(port) } });
    const { exitCode, err } = await mcpx(['service', 'list', '--env', 'staging'], { cwd });
    expect(exitCode).to.equal(1);
    expect(err).to.contain('Set environments.staging.admin in mcpx.yaml');
  });

  it('starts processes in it', async () => {
    const seen: (string | undefined)[] = [];
    const actions = {
      serve: ({ environment }: Config) => {
        seen.push(environment);
        return Promise.resolve(0);
      },
    };
    await mcpx(['serve', '--env', 'staging'], { cwd, actions });
    await mcpx(['serve'], { cwd, actions });
    expect(seen).to.deep.equal(['staging', undefined]);
  });
});
