import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { problem } from '../../../src/errors.js';
import {
  holding,
  nodeOf,
  refusingNode,
  serviceOf,
  startOn,
  stateOf,
  stopAll,
} from '../admin/stage.js';
import { mcpx } from './stage.js';

const url = 'http://127.0.0.1:3000/mcp';

describe('mcpx service', () => {
  afterEach(stopAll);

  it('lists services as a table, and as the very JSON of the API', async () => {
    const admin = await startOn(stateOf([serviceOf('claims')]));
    const { exitCode, out } = await mcpx(['service', 'list', '--admin', admin]);
    expect(exitCode).to.equal(0);
    const [head, row] = out.split('\n');
    expect(head).to.match(/^SERVICE +VERSION +ERAS +PASSING +TOOLS +FROM +STATE$/);
    expect(row).to.match(/^claims +1\.0\.0 +modern, legacy +1 of 1 +1 +file +ready$/);
    const json = await mcpx(['service', 'list', '--json', '--admin', admin]);
    expect(`${json.out}\n`).to.equal(await (await fetch(`${admin}/v1/services`)).text());
  });

  it('says how to register when there is none', async () => {
    const admin = await startOn(stateOf());
    const { err } = await mcpx(['service', 'list', '--admin', admin]);
    expect(err).to.contain('mcpx service register');
  });

  it('shows one service, and fails with the nearest name for an unknown one', async () => {
    const state = stateOf([serviceOf('claims')]);
    state.problemsNow.set([problem('server_not_mcp', { service: 'claims' }, 'It says nothing.')]);
    const env = { MCPX_ADMIN_URL: await startOn(state) };
    const { out } = await mcpx(['service', 'show', 'claims'], { env });
    expect(out).to.contain(url).and.contain('claims__look').and.contain('It says nothing.');
    expect(out).to.contain('outlier.consecutiveErrors 5');
    const unknown = await mcpx(['service', 'show', 'claim'], { env });
    expect(unknown.exitCode).to.equal(1);
    expect(unknown.err).to.equal('There is no service claim. Did you mean claims?');
  });

  it('registers by flags, tells what came of it, and warns', async () => {
    const admin = await startOn(stateOf());
    const words = ['service', 'register', 'claims', '--url', url, '--version', '2.1.0'];
    const more = ['--tag', 'pii', '--tag', 'eu', '--admin', admin];
    const { exitCode, out } = await mcpx([...words, ...more]);
    expect(exitCode).to.equal(0);
    expect(out).to.equal(
      'Registered claims 2.1.0 at 127.0.0.1:3000 in the file registry.\n' +
        'It is ready, tools: claims__look',
    );
    const { services } = JSON.parse(
      (await mcpx(['service', 'list', '--json', '--admin', admin])).out,
    ) as { services: { versions: string[] }[] };
    expect(services[0]?.versions).to.deep.equal(['2.1.0']);
    expect((await mcpx([...words, ...more])).out).to.contain('Unchanged: claims 2.1.0');
    const other = await mcpx([...words, '--tag', 'us', '--admin', admin]);
    expect(other.out).to.contain('Replaced claims 2.1.0 at 127.0.0.1:3000 in the file registry.');
  });

  it('says which version stood at the address that another one takes', async () => {
    const admin = await startOn(stateOf());
    const words = ['service', 'register', 'claims', '--url', url, '--admin', admin];
    await mcpx([...words, '--version', '2.1.0']);
    const other = await mcpx([...words, '--version', '3.0.0']);
    expect(other.out).to.contain('Replaced claims 3.0.0 at 127.0.0.1:3000');
    expect(other.out).to.contain('in the file registry, where 2.1.0 was.');
  });

  it('names every wrong field at once', async () => {
    const admin = await startOn(stateOf());
    const words = ['service', 'register', 'Claims', '--url', 'nowhere', '--version', 'two'];
    const { exitCode, err, out } = await mcpx([...words, '--admin', admin]);
    expect(exitCode).to.equal(1);
    expect(out).to.equal('');
    for (const field of ['name', 'url', 'version']) expect(err).to.contain(`\n  ${field} must`);
    const json = await mcpx([...words, '--json', '--admin', admin]);
    expect(JSON.parse(json.out)).to.have.property('status', 422);
  });

  it('registers a list from a file, goes on past a wrong one, and fails then', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mcpx-cli-'));
    const file = join(folder, 'services.yaml');
    const good = `{name: claims, version: "1.0.0", url: "${url}"}`;
    writeFileSync(file, `services:\n  - {name: policy}\n  - ${good}\n`);
    const admin = await startOn(stateOf());
    const { exitCode, out, err } = await mcpx(['service', 'register', '-f', file], {
      env: { MCPX_ADMIN_URL: admin },
    });
    rmSync(folder, { recursive: true });
    expect(exitCode).to.equal(1);
    expect(err).to.contain('policy: ').and.contain('version');
    expect(out).to.contain('Registered claims 1.0.0');
  });

  it('reads a registration from stdin', async () => {
    const admin = await startOn(stateOf());
    const input = JSON.stringify({ name: 'claims', version: '1.0.0', url });
    const words = ['service', 'register', '-f', '-', '--no-wait', '--admin', admin];
    expect((await mcpx(words, { input })).out).to.equal(
      'Registered claims 1.0.0 at 127.0.0.1:3000 in the file registry.',
    );
  });

  it('is wrong usage without what a registration needs, or with a file and flags', async () => {
    const bare = await mcpx(['service', 'register']);
    expect(bare.exitCode).to.equal(2);
    expect(bare.err).to.contain('NAME, --url, --version');
    const both = await mcpx(['service', 'register', 'claims', '-f', 'x.yaml']);
    expect(both.exitCode).to.equal(2);
  });

  it('removes an instance, and fails for what is not there', async () => {
    const env = { MCPX_ADMIN_URL: await startOn(stateOf()) };
    await mcpx(['service', 'register', 'claims', '--url', url, '--version', '1.0.0'], { env });
    const words = ['service', 'remove', 'claims', '127.0.0.1:3000'];
    expect((await mcpx(words, { env })).out).to.equal('Removed 127.0.0.1:3000 of claims.');
    const again = await mcpx(words, { env });
    expect(again.exitCode).to.equal(1);
    expect(again.err).to.contain('There is no service claims.');
  });
});

describe('mcpx tools, fleet and problems', () => {
  afterEach(stopAll);

  it('tools: lists what agents see and says whose may be missing', async () => {
    const state = stateOf([serviceOf('claims'), serviceOf('policy', { probe: undefined })]);
    const { out, err } = await mcpx(['tools', '--admin', await startOn(state)]);
    expect(out).to.match(/claims__look +modern, legacy +Looks at a thing/);
    expect(err).to.contain('policy may be missing here: it has not been asked yet');
  });

  it('tools: a text from a server cannot steer the terminal', async () => {
    const service = serviceOf('claims');
    const tools = [{ name: 'look', description: 'one\u001b[2Jtwo\nthree' }];
    const probe = { failure: undefined, catalogue: { ...service.probe!.catalogue!, tools } };
    const admin = await startOn(stateOf([{ ...service, probe }]));
    const { out } = await mcpx(['tools', '--admin', admin]);
    expect(out).to.contain('one[2Jtwo three');
  });

  it('fleet: shows who lags, whose answer is overdue, the words of a refusal', async () => {
    const state = stateOf();
    const { kinds } = nodeOf('edge-0');
    const slow = nodeOf('edge-0', {
      lagMs: 65_000,
      kinds: { ...kinds, cluster: { ...holding, settled: false, overdue: true } },
    });
    state.nodesNow.set([slow, nodeOf('edge-1'), refusingNode('edge-2')]);
    const env = { MCPX_ADMIN_URL: await startOn(state) };
    const { out } = await mcpx(['fleet'], { env });
    expect(out).to.match(/edge-0 .* 65\.0 s, no answer/);
    expect(out).to.match(/edge-1 +1\.40\.0 +edge +2 cluster, .* +none/);
    expect(out).to.match(/edge-2 .* 1\.5 s +1970-01-01T00:00:00.000Z no such filter/);
    const one = await mcpx(['fleet', 'edge-2'], { env });
    expect(one.out).to.contain('Refused listener edge').and.contain('no such filter');
    expect((await mcpx(['fleet', 'edge-3'], { env })).exitCode).to.equal(1);
  });

  it('fleet: shows when certificates end, where there are any, and which are late', async () => {
    const state = stateOf();
    const env = { MCPX_ADMIN_URL: await startOn(state) };
    state.nodesNow.set([nodeOf('edge-1')]);
    expect((await mcpx(['fleet'], { env })).out).not.to.contain('CERTIFICATE');
    const shown = (late: boolean) => ({ certificate: { expiresAt: 86_400_000, late } });
    state.nodesNow.set([nodeOf('edge-1', shown(false)), nodeOf('edge-2', shown(true))]);
    const { out } = await mcpx(['fleet'], { env });
    expect(out).to.contain('CERTIFICATE ENDS');
    expect(out).to.match(/edge-1 .* 1970-01-02T00:00:00Z$/m);
    expect(out).to.match(/edge-2 .* 1970-01-02T00:00:00Z, not renewed$/m);
    const one = await mcpx(['fleet', 'edge-2'], { env });
    expect(one.out).to.contain('certificate ends: 1970-01-02T00:00:00Z, not renewed');
  });

  it('problems: names what each is about and who must act', async () => {
    const state = stateOf();
    const subject = { source: 'consul', service: 'claims', path: 'mcp-version' };
    state.problemsNow.set([
      problem('registration_invalid', subject, 'mcp-version must be semver.'),
    ]);
    const { out } = await mcpx(['problems', '--admin', await startOn(state)]);
    expect(out).to.match(/error +consul claims mcp-version +server owner +mcp-version must/);
  });
});
