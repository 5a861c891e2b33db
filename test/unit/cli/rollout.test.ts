import { expect } from 'chai';
import { folded } from '../../../src/cli/terminal.js';
import { catalogueOf, readingOf } from '../fleet/registered.js';
import { nodeOf, startOn, stateOf, stopAll } from '../admin/stage.js';
import { felt, twoVersions } from '../rollouts/stage.js';
import { mcpx } from './stage.js';

describe('mcpx canary, bluegreen, rollback and history', () => {
  let state: ReturnType<typeof stateOf>;
  let env: Readonly<Record<string, string>>;

  beforeEach(async () => {
    state = stateOf([twoVersions()]);
    state.nodesNow.set([nodeOf('edge-1')]);
    env = { MCPX_ADMIN_URL: await startOn(state) };
  });
  afterEach(stopAll);

  const run = (words: string) => mcpx(words.split(' '), { env });
  const begin = () => run('canary start claims --to 2.0.0 --steps 5,50 --every 1m');
  const current = () => state.rollouts.status('claims')?.document.current;

  it('start: shows what it will do, then does it', async () => {
    const { exitCode, out } = await begin();
    expect(exitCode).to.equal(0);
    expect(out).to.match(/^start: canary of claims, 1\.0\.0 → 2\.0\.0\nphase +running\n/);
    expect(out).to.match(/\nEnvoys +edge-1\nresources +.*endpoint claims changed/);
    expect(out).to.match(/VERSION +NEW TRAFFIC\n1\.0\.0 +50 % → 95 %\n2\.0\.0 +50 % → 5 %/);
    expect(out).to.contain('Done: it is running.').and.contain('mcpx canary status claims');
    expect(current()).to.deep.include({ phase: 'running', steps: [5, 50, 100], everyMs: 60_000 });
    expect(current()?.events[0]?.who, 'who did it').to.not.equal('somebody');
  });

  it('start --dry-run: shows the same plan, and does nothing', async () => {
    const dry = await run('canary start claims --to 2.0.0 --steps 5,50 --every 1m --dry-run');
    expect(dry.exitCode).to.equal(0);
    expect(current()).to.equal(undefined);
    expect((await begin()).out).to.contain(dry.out);
  });

  const reading = () => {
    const looks = readingOf('look');
    state.fleet.set({ services: [twoVersions({ '1.0.0': looks, '2.0.0': looks })] });
  };

  it('start: hands on every flag, in the units of the API', async () => {
    reading();
    const limits = '--max-error-rate 2% --max-p99 +30% --min-calls 50';
    const reach = '--match header:x-team=qa --match header:x-mode=try=1 --mirror 10%';
    const own = '--drain 30s --why ready';
    const words = `canary start claims --to 2.0.0 --from 1.0.0 ${limits} ${reach} ${own}`;
    expect((await run(words)).err).to.equal('');
    expect(current()).to.deep.include({
      limits: { maxErrorRate: 0.02, maxP99Increase: 0.3, minCalls: 50 },
      match: [
        { header: 'x-team', value: 'qa' },
        { header: 'x-mode', value: 'try=1' },
      ],
      ...{ mirror: 10, drainMs: 30_000 },
    });
    expect(current()?.events[0]?.why).to.equal('ready');
  });

  const wrong: Readonly<Record<string, string>> = {
    '--steps many': '--steps must be whole percents such as 5,25,50,100; one is "many".',
    '--steps 5,200': '--steps are percents from 1 to 100; one is 200.',
    '--max-error-rate 100%': '--max-error-rate must be below 100%, not 100%.',
    '--min-calls 0': '--min-calls must be a whole number above 0, not 0.',
    '--mirror 2.5%': '--mirror must be a whole percent, at most 100%, not 2.5%.',
    '--every soon': '--every must be a duration such as 30s, 10m or 1h, not soon.',
    '--drain long': '--drain must be a duration such as 30s, 10m or 1h, not long.',
    '--max-error-rate 0.01': '--max-error-rate must be given in percent, such as 5%, not 0.01.',
    '--max-p99 slow': '--max-p99 must be given in percent',
    '--min-calls few': '--min-calls must be a whole number above 0, not few.',
    '--mirror 10': '--mirror must be given in percent',
    '--match qa': '--match must be a header and its value, header:x-team=qa, or who an agent is',
    '--match principal=': '--match must be a header and its value',
  };
  for (const [flags, words] of Object.entries(wrong))
    it(`start ${flags}: says how it is written, and exits with 2`, async () => {
      const { exitCode, err } = await run(`canary start claims --to 2.0.0 ${flags}`);
      expect(exitCode).to.equal(2);
      expect(err).to.contain(words);
    });

  it('start: shows how the versions differ for agents', async () => {
    state.fleet.set({ services: [twoVersions({ '2.0.0': catalogueOf('look', 'explain') })] });
    expect((await begin()).out).to.match(/\nfor agents\n {11}tool explain is new/);
  });

  it('start: without a version it says what to give', async () => {
    expect((await run('canary start claims')).err).to.contain('Give --to VERSION');
  });

  it('start: what the control plane refuses is told, with exit code 1', async () => {
    await begin();
    const { exitCode, err } = await begin();
    expect(exitCode).to.equal(1);
    expect(err).to.contain('one at a time');
  });

  it('pause, resume, promote, rollback: each shows what it does to the shares', async () => {
    await begin();
    const pause = await run('canary pause claims --why lunch');
    expect(pause.out).to.match(/running → paused[^]*why +lunch[^]*5 %, as now/);
    expect((await run('canary resume claims')).out).to.contain('paused → running');
    const promote = await run('canary promote claims');
    expect(promote.out).to.match(/2\.0\.0 +5 % → 100 %/);
    expect(promote.out).to.contain('drain      1.0.0 keeps its sessions for 10 min, then they end');
    expect((await run('rollback claims --dry-run')).out).to.contain('promoted → rolled back');
    expect((await run('rollback claims')).out).to.match(/1\.0\.0 +0 % → 100 %/);
    expect(current()?.phase).to.equal('rolled_back');
  });

  it('rollback: gives up what is still under way', async () => {
    await begin();
    expect((await run('rollback claims --why wrong')).exitCode).to.equal(0);
    expect(current()?.phase).to.equal('aborted');
  });

  it('bluegreen: stage says where it is reached, switch and finish go on', async () => {
    const staged = await run('bluegreen stage claims --to 2.0.0');
    expect(staged.out).to.contain('Try it at /mcp/claims@2.0.0');
    expect((await run('bluegreen switch claims')).exitCode).to.equal(0);
    expect((await run('bluegreen rollback claims')).exitCode).to.equal(0);
    expect((await run('bluegreen switch claims')).exitCode).to.equal(0);
    expect((await run('bluegreen finish claims')).out).to.contain('it is finished');
  });

  it('print JSON where it is asked for, one document', async () => {
    const words = 'canary start claims --to 2.0.0 --json';
    expect(JSON.parse((await run(`${words} --dry-run`)).out)).to.include({ dryRun: true });
    expect(JSON.parse((await run(words)).out)).to.include({ dryRun: false, service: 'claims' });
    const status = JSON.parse((await run('canary status claims --json')).out) as object;
    expect(status).to.have.nested.property('rollout.phase', 'running');
    const told = JSON.parse((await run('history claims --json')).out) as object;
    expect(told).to.have.nested.property('rollouts[0].events[0].what', 'start');
  });

  it('history: tells who did what, when, and why, the newest first', async () => {
    expect((await run('history claims')).err).to.equal('claims never had a rollout.');
    await begin();
    await run('canary abort claims --why wrong');
    const [head, newest, oldest] = (await run('history claims')).out.split('\n');
    expect(head).to.match(/^WHEN +WHO +WHAT +VERSIONS +THEN +NEW +WHY$/);
    expect(newest).to.match(
      /^2026-01-02T03:04:05Z .* canary abort +1.0.0 → 2.0.0 +aborted .*wrong/,
    );
    expect(oldest).to.match(/canary start .* running +5 %/);
  });

  it('status: draws shares, steps, signals, the verdict, and why it waits', async () => {
    await begin();
    state.signalsNow.set('1.0.0', felt(2_000)).set('2.0.0', felt(200, 1));
    const { out } = await run('canary status claims');
    expect(out).to.match(/^canary of claims {2}1\.0\.0 → 2\.0\.0 {2}running, begun by /);
    expect(out).to.match(/\n1\.0\.0 {2}█{38}░{2} {4}95 % {2}2 of 2 pass\n/);
    expect(out).to.match(/\n2\.0\.0 {2}█{2}░{38} {5}5 % {2}2 of 2 pass\n/);
    expect(out).to.contain('steps  [5] ─ 50 ─ 100 %');
    expect(out).to.match(/VERSION +CALLS +FAILED +HTTP +RPC +TOOL +RESET +TIMEOUT +P99/);
    expect(out).to.match(/2\.0\.0 +200 +0\.5 % +1 +[\d.]+ ms/);
    expect(out).to.contain('judge  good: 0.5 % of 200 calls');
    expect(out).to.contain('next   waits: The step has 1 min to go.');
  });

  it('start --mirror: plan, status and history say that copies come before any share', async () => {
    reading();
    const { out } = await run('canary start claims --to 2.0.0 --steps 5 --mirror 10%');
    expect(out).to.match(/\nthen +0 \(copies only\) → 5 → 100 %, each for 10 min at least\n/);
    expect(out).to.match(/\n2\.0\.0 +50 % → 0 %/);
    state.signalsNow.set('1.0.0', felt(2_000)).set('2.0.0', felt(7));
    const status = (await run('canary status claims')).out;
    expect(status).to.contain('steps  [0 copies only] ─ 5 ─ 100 %');
    expect(status).to.contain('had 7 of the 100 calls').and.contain('At 0 % it gets copies only');
    expect(status.match(/had 7 of the 100 calls/g)).to.have.lengthOf(1);
    await run('canary abort claims');
    const [, ended, begun] = (await run('history claims')).out.split('\n');
    expect(begun).to.match(/canary start .* running +0 %: copies only/);
    expect(ended).to.match(/canary abort .* aborted +0 % *$/);
  });

  it('start: warns of a version that nobody checks', async () => {
    const { instances, ...service } = twoVersions();
    const unchecked = instances.map((each) => ({ ...each, unchecked: true as const }));
    state.fleet.set({ services: [{ ...service, instances: unchecked }] });
    expect((await begin()).out).to.match(/\nwarning +nobody checks 2\.0\.0: /);
  });

  it('status: is drawn again on a terminal until it has ended, and says why it did', async () => {
    await begin();
    const drawn: string[] = [];
    const redraw = (text: string) => {
      drawn.push(text);
      if (drawn.length === 1) state.signalsNow.set('1.0.0', felt(99)).set('2.0.0', felt(99, 99));
    };
    const { exitCode } = await mcpx(['canary', 'status', 'claims'], { env, redraw });
    expect(exitCode).to.equal(0);
    expect(drawn[0]).to.contain('running');
    expect(drawn.at(-1)).to.match(/aborted[^]*ended {2}abort by mcpx: 100 % of 99 calls/);
  });

  it('status: says how long the version that lost drains', async () => {
    await begin();
    await run('canary promote claims');
    const { out } = await run('canary status claims --once');
    expect(out).to.match(/\nended {2}promote by .*\ndrain {2}1\.0\.0 drains: 10 min to go, then/);
  });

  it('status: says how to begin where there never was one', async () => {
    const { exitCode, err } = await run('canary status claims');
    expect(exitCode).to.equal(1);
    expect(err).to.contain('mcpx canary start claims --to VERSION');
  });
});

describe('a line on a terminal', () => {
  const green = (text: string) => `\x1b[32m${text}\x1b[39m`;

  it('is folded between words at the width, colours aside, and set in', () => {
    expect(folded(`next   ${green('waits')}: for ten`, 17)).to.deep.equal([
      `next   ${green('waits')}: for`,
      '       ten',
    ]);
    expect(folded('abc', 10)).to.deep.equal(['abc']);
    expect(folded('', 10)).to.deep.equal(['']);
  });

  it('is broken within a word that is longer than the width', () => {
    const lines = folded('█'.repeat(40), 20);
    expect(lines.every((line) => line.length <= 20)).to.equal(true);
    expect(lines.join('').replaceAll(' ', '')).to.equal('█'.repeat(40));
  });
});
