/** A rollout over the whole loop: from a registry's report to what Envoys are told. */
import { expect } from 'chai';
import type { RolloutDocument } from '../../../src/fleet/rollout.js';
import { succeeded } from '../../../src/errors.js';
import { silentLog } from '../../../src/log.js';
import { Rollouts } from '../../../src/rollouts.js';
import { registration, rolloutOf } from '../fleet/registered.js';
import { felt, registryOf } from '../rollouts/stage.js';
import { settingsIn, startPipeline, temporaryFolder, type Stage } from './stage.js';

const instances = ['1.0.0', '2.0.0'].map((version, at) =>
  registration({ source: 'consul', id: version, version, port: 3000 + at }),
);
const limits = { maxErrorRate: 0.01, maxP99Increase: 0.2, minCalls: 10 };

describe('a rollout in the loop', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let stage: Stage;
  let rollouts: Rollouts;
  let written: RolloutDocument[];
  let now: number;
  let signals: Readonly<Record<string, ReturnType<typeof felt>>>;

  beforeEach(() => {
    folder = temporaryFolder();
    stage = startPipeline(folder.path, 'consul');
    [written, now, signals] = [[], 10, {}];
    const { fleet, hearing } = stage.pipeline;
    const keepRollout = (next: RolloutDocument) => {
      written.push(next);
      const kept = new Map([['claims', next]]);
      stage.registry('consul').reports(instances, { rollouts: kept });
      return Promise.resolve(succeeded(undefined));
    };
    rollouts = new Rollouts({
      ...{ fleet, hearing, write: 'consul', log: silentLog, settings: settingsIn(folder.path) },
      registries: new Map([['consul', registryOf({ keepRollout })]]),
      lagging: () => [],
      signals: (_, version) => signals[version],
      counts: (_, version, times) => {
        const known = signals[version];
        return known && times.map(() => known);
      },
      clock: { now: () => now },
    });
  });
  afterEach(async () => {
    await rollouts.close();
    await stage.end();
    folder.remove();
  });

  async function running(): Promise<void> {
    const document = rolloutOf('claims', { limits, stepSince: now, everyMs: 1_000 });
    stage.registry('consul').heard();
    stage.registry('consul').reports(instances, { rollouts: new Map([['claims', document]]) });
    await stage.pipeline.snapshot.when(
      (snapshot) => snapshot?.resources.endpoint.has('claims') ?? false,
    );
  }

  it('goes on when its time is over and the new version is good', async () => {
    await running();
    signals = { '1.0.0': felt(1_000), '2.0.0': felt(1_000) };
    now += 1_000;
    rollouts.look();
    await rollouts.settled();
    expect(written.map(({ current }) => current.step)).to.deep.equal([1]);
  });

  it('stands still while its registry is lost: shares stay, and nothing is written', async () => {
    await running();
    const before = stage.pipeline.snapshot.value;
    stage.registry('consul').lost('connection refused');
    await stage.pipeline.problems.when((all) => all.length > 0);
    for (const failed of [0, 500]) {
      signals = { '1.0.0': felt(1_000), '2.0.0': felt(1_000, failed) };
      now += 60_000;
      rollouts.look();
      await rollouts.settled();
    }
    expect(written).to.deep.equal([]);
    expect(stage.pipeline.snapshot.value).to.equal(before);
    stage.registry('consul').heard();
    await stage.pipeline.problems.when((all) => all.length === 0);
    rollouts.look();
    await rollouts.settled();
    expect(
      written.map(({ current }) => current.phase),
      'and then',
    ).to.deep.equal(['aborted']);
  });

  it('keeps its shares over a restart while the registry cannot be heard yet', async () => {
    await running();
    const before = stage.pipeline.snapshot.value?.resources.endpoint.get('claims');
    await stage.end();
    stage = startPipeline(folder.path, 'consul');
    const snapshot = await stage.pipeline.snapshot.when((each) => each !== undefined);
    const after = snapshot?.resources.endpoint.get('claims');
    expect(after?.version).to.equal(before?.version);
  });
});
