/** What Envoy makes of a rollout: shares, sessions, the new version by its name, copies. */
import { expect } from 'chai';
import type { Catalogue, ProbeResult } from '../../src/fleet/fleet.js';
import type { Phase, Rollout } from '../../src/fleet/rollout.js';
import { callLogReceiver } from '../../src/signals/export.js';
import { CallSignals } from '../../src/signals/signals.js';
import { ensureEnvoyVersion, pinnedEnvoy } from '../../src/up/envoy_binary.js';
import { catalogueOf } from '../unit/fleet/registered.js';
import { rolloutIn } from '../unit/rollout/rollouts.js';
import { probabilityOf } from './parts/binomial.js';
import { postCall } from './parts/agent.js';
import { startEdge, type Edge } from './parts/edge.js';
import { eventually } from './parts/mcpx.js';
import { startVersion, type VersionServers } from './parts/version.js';

const canaryAt = (share: number, fields: Partial<Rollout> = {}): Rollout =>
  rolloutIn('running', { steps: [share, 100], stepSince: 0, ...fields });

type Present = Pick<VersionServers, 'registrations'>;

/** Before it versions took calls by weight. */
const first = rolloutIn('promoted', { from: '0.8.0', to: '0.9.0' });

/** Both versions say that `look` changes nothing, of `touch` only the old one does. */
const telling: ProbeResult = {
  ...{ catalogue: catalogueOf('look', 'touch'), failure: undefined },
  versions: { '1.0.0': catalogueSaying('look', 'touch'), '2.0.0': catalogueSaying('look') },
};

function catalogueSaying(...readOnly: readonly string[]): Catalogue {
  const catalogue = catalogueOf('look', 'touch');
  const tools = catalogue.tools.map((tool) => ({
    ...{ ...tool, annotations: { readOnlyHint: readOnly.includes(tool.name) } },
  }));
  return { ...catalogue, tools };
}

describe('a rollout in a real Envoy', () => {
  let old: VersionServers;
  let fresh: VersionServers;
  let edge: Edge;
  let signals: CallSignals;
  before(async () => {
    [old, fresh] = await Promise.all([startVersion('1.0.0', 1), startVersion('2.0.0', 3)]);
    signals = new CallSignals({ now: () => Date.now() });
    const binary = process.env['ENVOY_BIN'] || (await ensureEnvoyVersion(pinnedEnvoy, process.env));
    const receivers = [callLogReceiver(signals)];
    edge = await startEdge({ binary, variant: 'incremental', receivers });
    edge.fleet.subscribe((fleet) => signals.follow(fleet));
  });
  after(async () => {
    await edge.stop();
    await Promise.all([old.stop(), fresh.stop()]);
  });

  const show = async (rollout: Rollout, present: readonly Present[] = [old, fresh]) => {
    const { service } = rollout;
    edge.register(
      present.flatMap(({ registrations }) =>
        registrations.map((one) => ({ ...one, name: service })),
      ),
      { rollouts: [{ current: rollout, earlier: [first] }], probes: new Map([[service, telling]]) },
    );
    await edge.settled();
  };

  /** By Envoy, which must have seen a host well before it sends anybody there. */
  const checked = (): readonly Present[] =>
    [old, fresh].map(({ registrations }) => ({
      registrations: registrations.map((each) => ({ ...each, checkedBy: 'envoy' as const })),
    }));

  const url = (path = 'claims') => `${edge.gateway}/mcp/${path}`;

  /** `2.0.0 41234`: who answered. */
  const answered = async (to = url(), headers: Record<string, string> = {}) => {
    const answer = await postCall(to, 'whoami', headers);
    const body = (await answer.json()) as {
      result?: { content: [{ text: string }] };
      error?: { code: number };
    };
    const by = body.result?.content[0].text ?? `${answer.status} ${body.error?.code ?? ''}`;
    return { by, version: by.split(' ')[0], session: answer.headers.get('mcp-session-id') ?? '' };
  };

  const versionsOf = async (calls: number, to = url(), headers: Record<string, string> = {}) => {
    const seen = new Map<string, number>();
    let left = calls;
    const caller = async () => {
      while (left-- > 0) {
        const { by } = await answered(to, headers);
        seen.set(by, (seen.get(by) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: 16 }, caller));
    return seen;
  };

  const sumOf = (seen: ReadonlyMap<string, number>, version: string) =>
    [...seen].reduce((sum, [by, calls]) => sum + (by.startsWith(version) ? calls : 0), 0);

  it('gives the new version its share of 10,000 calls, however many instances it has', async () => {
    await show(canaryAt(25));
    const seen = await versionsOf(10_000);
    const moved = sumOf(seen, '2.0.0');
    expect(moved + sumOf(seen, '1.0.0')).to.equal(10_000);
    expect(probabilityOf(moved, 10_000, 0.25), `${moved} of 10,000`).to.be.greaterThan(1e-6);
    expect([...seen.keys()], 'each instance is called').to.have.length(4);
  });

  it('keeps sessions on the host they began on, through a step to 100 and an abort', async () => {
    await show(canaryAt(50));
    const sessions = await Promise.all(Array.from({ length: 20 }, async () => answered()));
    const stay = async (when: string) => {
      for (const { by, session } of sessions)
        expect((await answered(url(), { 'mcp-session-id': session })).by, when).to.equal(by);
    };
    expect(new Set(sessions.map(({ version }) => version))).to.have.property('size', 2);
    await stay('at 50');
    await show(canaryAt(50, { step: 1 }));
    await stay('at 100');
    expect(sumOf(await versionsOf(200), '1.0.0')).to.equal(0);
    await show(rolloutIn('aborted'));
    await stay('aborted');
    expect(sumOf(await versionsOf(200), '2.0.0')).to.equal(0);
  });

  it('sends nobody to a version that is kept at 0, even when no other is well', async () => {
    const failing = old.registrations.map((each) => ({ ...each, checkedBy: 'envoy' as const }));
    const dead = failing.map((each) => ({ ...each, port: 1 }));
    await show(rolloutIn('aborted'), [{ registrations: dead }, fresh]);
    const seen = await versionsOf(50);
    expect([...seen]).to.deep.equal([['503 503', 50]]);
  });

  it('stages a version that is called by its name, and by nothing else', async () => {
    await show(rolloutIn('staged'), checked());
    await eventually('it is checked', async () => {
      return (await answered(url('claims@2.0.0'))).by !== '503 503';
    });
    expect(sumOf(await versionsOf(500), '2.0.0')).to.equal(0);
    const staged = await answered(url('claims@2.0.0'));
    expect(staged.version).to.equal('2.0.0');
    const forged = await answered(url(), { 'mcp-session-id': staged.session });
    expect(forged.by).to.equal('503 503');
    const again = await answered(url('claims@2.0.0'), { 'mcp-session-id': staged.session });
    expect(again.by).to.equal(staged.by);
    for (const unknown of ['claims@3.0.0', 'claims@', 'claims@1.0.0', 'claims%402.0.0'])
      expect((await answered(url(unknown))).by, unknown).to.match(/^40[04]/);
    await show(rolloutIn('switched'), checked());
    expect(sumOf(await versionsOf(200), '2.0.0'), 'at once, and all of them').to.equal(200);
  });

  it('sends whom a rule matches to the new version, sessions to where they are', async () => {
    await show(canaryAt(1, { match: [{ header: 'X-Team', value: 'qa' }] }));
    const qa = { 'x-team': 'qa' };
    expect(sumOf(await versionsOf(100, url(), qa), '2.0.0')).to.equal(100);
    expect(sumOf(await versionsOf(100, url(), { 'x-team': 'other' }), '2.0.0')).to.be.below(20);
    const mine = await answered(url(), qa);
    const plain = await answered();
    expect((await answered(url(), { 'mcp-session-id': mine.session })).by).to.equal(mine.by);
    const kept = await answered(url(), { ...qa, 'mcp-session-id': plain.session });
    expect(kept.by).to.equal(plain.by);
    await show(rolloutIn('aborted'));
    expect(sumOf(await versionsOf(100, url(), qa), '2.0.0')).to.equal(0);
    expect((await answered(url(), { 'mcp-session-id': mine.session })).by).to.equal(mine.by);
  });

  /** A service of its own: what is told of it is told of nothing else. */
  const apart = (service: string, fields: Partial<Rollout> = {}): Promise<void> =>
    show(rolloutIn('staged', { service, ...fields }));

  it('copies a share of the calls that change nothing, and judges the copies', async () => {
    await apart('mirrored', { mirror: 50 });
    const to = url('mirrored');
    const before = fresh.calls('look');
    const call = async (tool: string, headers: Record<string, string> = {}) => {
      const answer = await postCall(to, tool, headers);
      expect(await answer.text(), tool).to.include('1.0.0');
    };
    for (let each = 0; each < 300; each++) await call('look');
    for (let each = 0; each < 30; each++) await call('touch');
    for (let each = 0; each < 30; each++) await call('touch', { 'x-mcpx-mirror': 'mcpx_mirror' });
    const copies = () => fresh.calls('look') - before;
    const told = () => signals.of('mirrored', '2.0.0', 0)?.calls;
    await eventually('copies are told', () => copies() > 0 && told() === copies());
    expect(probabilityOf(copies(), 300, 0.5), `${copies()} of 300`).to.be.greaterThan(1e-6);
    expect(fresh.calls('touch')).to.equal(0);
    expect(fresh.reserved(), 'headers of ours on copies').to.equal(0);
  });

  it('fails no call and moves no session while rollouts begin, move and end', async () => {
    const match = [{ header: 'x-team', value: 'qa' }];
    const switched = rolloutIn('switched').events;
    const named = (phase: Phase, fields: Partial<Rollout> = {}) =>
      show(rolloutIn(phase, { service: 'moving', ...fields }), checked());
    await named('aborted');
    await eventually('it is called', async () => (await answered(url('moving'))).by !== '503 503');
    let moving = true;
    let done = 0;
    const failures: string[] = [];
    const caller = async (team: string) => {
      const headers = { 'x-team': team };
      const begun = await answered(url('moving'), headers);
      const session = { ...headers, 'mcp-session-id': begun.session };
      while (moving) {
        const { by } = await answered(url('moving'), headers);
        if (!/^[12]\.0\.0 /.test(by)) failures.push(by);
        const kept = (await answered(url('moving'), session)).by;
        if (kept !== begun.by) failures.push(`${begun.by} became ${kept}`);
        done += 1;
      }
    };
    const callers = ['one', 'other', 'qa'].map(caller);
    const sessions: Promise<void>[] = [];
    for (let turn = 0; turn < 3; turn++) {
      await named('running', { steps: [50, 100], match });
      sessions.push(caller('one'), caller('qa'));
      await named('running', { steps: [50, 100], match, step: 1 });
      await named('promoted');
      await named('rolled_back');
      await named('staged', { events: switched });
      await named('switched');
      await named('finished');
      await named('aborted');
    }
    moving = false;
    await Promise.all([...callers, ...sessions]);
    expect(failures).to.deep.equal([]);
    expect(done).to.be.greaterThan(100);
  });
});
