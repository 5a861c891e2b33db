/** The shares of a rollout over a fleet of two Envoys, and a version that comes back to it. */
import { expect } from 'chai';
import type { Registration } from '../../src/fleet/fleet.js';
import type { Rollout } from '../../src/fleet/rollout.js';
import { ensureEnvoyVersion, pinnedEnvoy } from '../../src/up/envoy_binary.js';
import { after as afterMoves, rolloutIn } from '../unit/rollout/rollouts.js';
import { postCall } from './parts/agent.js';
import { probabilityOf } from './parts/binomial.js';
import { startEdge, type Edge } from './parts/edge.js';
import { eventually } from './parts/mcpx.js';
import { postLegacy } from './parts/streams.js';
import { startVersion, type VersionServers } from './parts/version.js';

const callsPerStep = 10_000;
const callersPerEdge = 8;

/** Before it versions took calls by weight. */
const first = rolloutIn('promoted', { from: '0.8.0', to: '0.9.0' });

/** Version and port of who answered → calls. */
type Counts = Map<string, number>;

describe('the shares of a rollout over two Envoys', function () {
  this.timeout(60_000);
  let old: VersionServers;
  let fresh: VersionServers;
  let edges: readonly Edge[];
  before(async () => {
    [old, fresh] = await Promise.all([startVersion('1.0.0', 1), startVersion('2.0.0', 3)]);
    const binary = process.env['ENVOY_BIN'] || (await ensureEnvoyVersion(pinnedEnvoy, process.env));
    const one = { binary, variant: 'incremental' } as const;
    edges = await Promise.all([startEdge(one), startEdge(one)]);
  });
  after(async () => {
    await Promise.all(edges.map((edge) => edge.stop()));
    await Promise.all([old.stop(), fresh.stop()]);
  });

  async function show(rollout: Rollout, registrations: readonly Registration[]): Promise<void> {
    const { service } = rollout;
    const named = registrations.map((each) => ({ ...each, name: service }));
    for (const edge of edges)
      edge.register(named, { rollouts: [{ current: rollout, earlier: [first] }] });
    await Promise.all(edges.map((edge) => edge.settled()));
  }

  const registrations = () => [...old.registrations, ...fresh.registrations];

  const kinds = {
    'stateless calls': (url: string) => postCall(url, 'whoami'),
    'new sessions': (url: string) =>
      postLegacy(url, {}, { id: 1, method: 'initialize', params: { name: 'initialize' } }),
  };

  async function counted(
    edge: Edge,
    calls: number,
    send: (url: string) => Promise<Response>,
  ): Promise<Counts> {
    const counts: Counts = new Map();
    let left = calls;
    const caller = async () => {
      while (left-- > 0) {
        const answer = await send(`${edge.gateway}/mcp/claims`);
        const by = /"text":"([^"]*)"/.exec(await answer.text())?.[1] ?? String(answer.status);
        counts.set(by, (counts.get(by) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: callersPerEdge }, caller));
    return counts;
  }

  const of = (counts: readonly Counts[], version: string) =>
    counts
      .flatMap((each) => [...each])
      .reduce((sum, [by, calls]) => sum + (by.startsWith(version) ? calls : 0), 0);

  function fits(what: string, counts: readonly Counts[], calls: number, share: number): void {
    const moved = of(counts, '2.0.0');
    expect(moved + of(counts, '1.0.0'), `${what}: all are answered`).to.equal(calls);
    const words = `${what}: ${moved} of ${calls}`;
    expect(probabilityOf(moved, calls, share / 100), words).to.be.greaterThan(1e-6);
  }

  for (const share of [5, 25, 50])
    it(`are right at ${share} %: on each Envoy and on both, also of new sessions`, async () => {
      await show(rolloutIn('running', { steps: [share, 100], stepSince: 0 }), registrations());
      const part = callsPerStep / 4;
      const all: Counts[] = [];
      const ofEdges = edges.map((): Counts[] => []);
      for (const [kind, send] of Object.entries(kinds)) {
        const counts = await Promise.all(edges.map((edge) => counted(edge, part, send)));
        fits(kind, counts, 2 * part, share);
        all.push(...counts);
        counts.forEach((each, at) => ofEdges[at]?.push(each));
      }
      ofEdges.forEach((counts, at) => fits(`Envoy ${at + 1}`, counts, 2 * part, share));
      fits('both', all, callsPerStep, share);
    });

  it('are divided within a version by the weights of its instances, by round_robin', async () => {
    const weights = [100, 200, 500];
    const weighted = fresh.registrations.map((each, at) => ({
      ...{ ...each, weight: weights[at] ?? 0 },
    }));
    const all = [...old.registrations, ...weighted].map((each) => ({
      ...{ ...each, traffic: { ...each.traffic, balance: 'round_robin' as const } },
    }));
    await show(rolloutIn('running', { steps: [50, 100], stepSince: 0 }), all);
    for (const [at, edge] of edges.entries()) {
      const counts = await counted(edge, 2_000, kinds['stateless calls']);
      const total = of([counts], '2.0.0');
      for (const { port, weight } of weighted) {
        const calls = counts.get(`2.0.0 ${port}`) ?? 0;
        const words = `Envoy ${at + 1}, weight ${weight}: ${calls} of ${total}`;
        expect(probabilityOf(calls, total, weight / 800), words).to.be.greaterThan(1e-6);
      }
    }
  });

  it('fail no call when a version that Envoy checks comes back after its retirement', async () => {
    const checked = registrations().map((each) => ({ ...each, checkedBy: 'envoy' as const }));
    const retired = afterMoves('start', 'promote', 'retire').current;
    const back = afterMoves('start', 'promote', 'retire', 'rollback').current;
    await show(retired, checked);
    const failures = new Set<string>();
    let [running, done] = [true, 0];
    const callers = edges.flatMap((edge) =>
      Array.from({ length: callersPerEdge }, async () => {
        while (running) {
          const answer = await postCall(`${edge.gateway}/mcp/claims`, 'whoami');
          if (answer.status !== 200) failures.add(`${answer.status} ${await answer.text()}`);
          else await answer.text();
          done += 1;
        }
      }),
    );
    await eventually(
      'it is checked',
      async () => (await postCall(`${edges[0]?.gateway}/mcp/claims`, 'whoami')).ok,
    );
    failures.clear();
    for (let turn = 0; turn < 10; turn++) {
      await show(back, checked);
      await eventually('the version that is back serves', async () => {
        const counts = await Promise.all(
          edges.map((edge) => counted(edge, 20, kinds['stateless calls'])),
        );
        return of(counts, '1.0.0') === 40;
      });
      await show(retired, checked);
      await eventually('the other serves again', async () => {
        const counts = await Promise.all(
          edges.map((edge) => counted(edge, 20, kinds['stateless calls'])),
        );
        return of(counts, '2.0.0') === 40;
      });
    }
    running = false;
    await Promise.all(callers);
    expect([...failures]).to.deep.equal([]);
    expect(done).to.be.greaterThan(100);
  });
});
