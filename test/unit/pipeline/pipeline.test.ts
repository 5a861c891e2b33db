import { expect } from 'chai';
import { problem } from '../../../src/errors.js';
import type { SourceName } from '../../../src/fleet/fleet.js';
import type { Metrics } from '../../../src/metrics.js';
import { offering, registration } from '../fleet/registered.js';
import { startPipeline, temporaryFolder, type Stage } from './stage.js';

const claims = registration({ name: 'claims' });
const policy = registration({ name: 'policy', port: 3001 });

/** Named as one of our own clusters is, so it cannot be rendered. */
const impossible = registration({ name: 'mcpx_filter', port: 3002 });

async function translations(metrics: Metrics): Promise<number> {
  return Number(/^mcpx_translation_seconds_count (\d+)$/m.exec(await metrics.text())?.[1]);
}

describe('the pipeline', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let stages: Stage[];
  beforeEach(() => {
    folder = temporaryFolder();
    stages = [];
  });
  afterEach(async () => {
    await Promise.all(stages.map((stage) => stage.end()));
    folder.remove();
  });

  function start(...sources: readonly SourceName[]): Stage {
    const stage = startPipeline(folder.path, ...sources);
    stages.push(stage);
    return stage;
  }

  const published = ({ pipeline }: Stage) => pipeline.snapshot.when((value) => value !== undefined);
  const holding = ({ pipeline }: Stage, ...names: readonly string[]) =>
    pipeline.fleet.when(({ services }) => services.map(({ name }) => name).join() === names.join());
  const said = ({ pipeline }: Stage, code: string) =>
    pipeline.problems.when((problems) => problems.some((each) => each.code === code));

  it('publishes nothing until every registry was heard', async () => {
    const stage = start('file', 'consul');
    stage.registry('file').holds(claims);
    stage.registry('consul').lost('nobody there');
    await said(stage, 'registry_unreachable');
    expect(stage.pipeline.snapshot.value).to.equal(undefined);
    expect(stage.services()).to.deep.equal([]);
    stage.registry('consul').holds(policy);
    await published(stage);
    expect(stage.services()).to.deep.equal(['claims', 'policy']);
  });

  it('does not believe a report of a registry that was not heard', async () => {
    const stage = start('file');
    const unread = problem('registry_unreadable', { source: 'file' }, 'no YAML');
    stage.registry('file').reports([], { problems: [unread] });
    await said(stage, 'registry_unreadable');
    expect(stage.pipeline.snapshot.value).to.equal(undefined);
  });

  it('publishes an empty fleet when a registry was heard to hold nothing', async () => {
    const stage = start('file');
    stage.registry('file').holds();
    const snapshot = await published(stage);
    expect(snapshot?.resources.endpoint.size).to.equal(0);
    expect(snapshot?.resources.listener.size).to.be.greaterThan(0);
  });

  it('shows what it works from once there is something, for plans', async () => {
    const stage = start('file');
    expect(stage.pipeline.present()).to.equal(undefined);
    stage.registry('file').holds(claims);
    await published(stage);
    const { reports = [], fleet, snapshot } = stage.pipeline.present() ?? {};
    expect(reports.map(({ registrations }) => registrations)).to.deep.equal([[claims]]);
    expect(fleet).to.equal(stage.pipeline.fleet.value);
    expect(snapshot).to.equal(stage.pipeline.snapshot.value);
  });

  it('keeps the last report of a registry that is lost', async () => {
    const stage = start('file', 'consul');
    stage.registry('file').holds(claims);
    stage.registry('consul').holds(policy);
    await holding(stage, 'claims', 'policy');
    const before = stage.pipeline.snapshot.value;
    stage.registry('consul').lost('no leader');
    await said(stage, 'registry_unreachable');
    expect(stage.services()).to.deep.equal(['claims', 'policy']);
    expect(stage.pipeline.snapshot.value).to.equal(before);
    expect(stage.pipeline.stale.value, 'it was heard in this run').to.equal(false);
  });

  it('goes on with the other registries while one is lost', async () => {
    const stage = start('file', 'consul');
    stage.registry('file').holds();
    stage.registry('consul').holds(policy);
    await holding(stage, 'policy');
    stage.registry('consul').lost('no leader');
    stage.registry('file').holds(claims);
    await holding(stage, 'claims', 'policy');
  });

  it('tells why a registry is lost now, and no more once it is heard', async () => {
    const stage = start('consul');
    const told = (text: string) =>
      stage.pipeline.problems.when((all) => all.some(({ message }) => message.includes(text)));
    stage.registry('consul').lost('connection refused');
    await told('connection refused');
    stage.registry('consul').lost('permission denied');
    const now = await told('permission denied');
    expect(now).to.have.length(1);
    expect(now[0]?.subject).to.deep.equal({ source: 'consul' });
    expect(stage.pipeline.hearing.value.get('consul')).to.deep.equal({
      state: 'lost',
      reason: 'permission denied',
    });
    stage.registry('consul').holds();
    await stage.pipeline.problems.when((all) => all.length === 0);
  });

  describe('after a restart', () => {
    const unreachable = { code: 'server_unreachable', message: 'away' } as const;

    async function keepOf(source: SourceName): Promise<void> {
      const earlier = start(source);
      earlier.registry(source).holds(claims);
      earlier.pipeline.probed(offering({ claims: ['file'] }));
      await earlier.pipeline.fleet.when(({ services }) => services[0]?.probe !== undefined);
      await earlier.end();
    }

    it('serves the last good as stale, then what the registry says', async () => {
      await keepOf('consul');
      const stage = start('consul');
      await published(stage);
      expect(stage.services()).to.deep.equal(['claims']);
      expect(stage.pipeline.stale.value).to.equal(true);
      stage.registry('consul').holds(policy);
      await holding(stage, 'policy');
      expect(stage.pipeline.stale.value).to.equal(false);
    });

    it('first lets the registry say what was not kept any more when it was killed', async () => {
      await keepOf('consul');
      const stage = start('consul');
      const first = published(stage);
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      stage.registry('consul').holds(claims, policy);
      expect([...((await first)?.resources.endpoint.keys() ?? [])]).to.include('policy');
    });

    it('serves the same bytes as before', async () => {
      const earlier = start('file');
      earlier.registry('file').holds(claims, policy);
      const before = await published(earlier);
      await earlier.end();
      expect((await published(start('file')))?.version).to.equal(before?.version);
    });

    it('serves what each registry was last known to hold until that one is heard', async () => {
      const earlier = start('file', 'consul');
      earlier.registry('file').holds(claims);
      earlier.registry('consul').holds(policy);
      await holding(earlier, 'claims', 'policy');
      await earlier.end();
      const stage = start('file', 'consul');
      await published(stage);
      stage.registry('file').holds({ ...claims, name: 'tracking' });
      await holding(stage, 'policy', 'tracking');
      expect(stage.pipeline.stale.value, 'Consul was not heard yet').to.equal(true);
    });

    it('waits for a registry of which nothing was kept', async () => {
      await keepOf('file');
      const stage = start('file', 'etcd');
      stage.registry('etcd').lost('nobody there');
      await said(stage, 'registry_unreachable');
      expect(stage.pipeline.snapshot.value).to.equal(undefined);
      stage.registry('etcd').holds();
      await holding(stage, 'claims');
    });

    it('forgets what was kept of a registry that is no longer asked', async () => {
      await keepOf('consul');
      const stage = start('file');
      stage.registry('file').holds(policy);
      await published(stage);
      expect(stage.services()).to.deep.equal(['policy']);
    });

    it('knows catalogues until the probe has asked again', async () => {
      await keepOf('file');
      const stage = start('file');
      const { services } = await holding(stage, 'claims');
      expect(services[0]?.probe?.catalogue?.tools).to.deep.equal([{ name: 'file' }]);
      stage.pipeline.probed(new Map([['claims', { catalogue: undefined, failure: unreachable }]]));
      await stage.pipeline.fleet.when((fleet) => fleet.services[0]?.probe?.failure !== undefined);
    });
  });

  it('forgets the catalogue of a service that has gone', async () => {
    const stage = start('file');
    stage.registry('file').holds(claims);
    stage.pipeline.probed(offering({ claims: ['file'] }));
    await stage.pipeline.fleet.when(({ services }) => services[0]?.probe !== undefined);
    stage.registry('file').holds(policy);
    await holding(stage, 'policy');
    stage.registry('file').holds(claims);
    const { services } = await holding(stage, 'claims');
    expect(services[0]?.probe).to.equal(undefined);
  });

  describe('when the fleet cannot be rendered', () => {
    it('publishes nothing, and says so', async () => {
      const stage = start('file');
      stage.registry('file').holds(claims);
      const before = await published(stage);
      stage.registry('file').holds(claims, impossible);
      await said(stage, 'translation_failed');
      expect(stage.pipeline.snapshot.value).to.equal(before);
      expect(stage.services()).to.deep.equal(['claims']);
    });

    it('keeps the last that was good over a restart', async () => {
      const stage = start('file');
      stage.registry('file').holds(claims);
      await published(stage);
      stage.registry('file').holds(claims, impossible);
      await said(stage, 'translation_failed');
      await stage.end();
      await holding(start('file'), 'claims');
    });

    it('goes on as soon as it can be rendered again', async () => {
      const stage = start('file');
      stage.registry('file').holds(impossible);
      await said(stage, 'translation_failed');
      stage.registry('file').holds(policy);
      await published(stage);
      expect(stage.services()).to.deep.equal(['policy']);
      expect(stage.pipeline.problems.value).to.deep.equal([]);
    });
  });

  it('tells what registries, merge and probe complain of, until it is mended', async () => {
    const stage = start('file');
    const wrong = problem('registration_invalid', { source: 'file' }, 'url is missing');
    stage.registry('file').heard();
    const strangers = [claims, { ...claims, id: 'x', port: 1, version: '2.0.0', path: '/other' }];
    stage.registry('file').reports(strangers, { problems: [wrong] });
    const failure = { code: 'server_not_mcp', message: 'claims answers HTML.' } as const;
    stage.pipeline.probed(new Map([['claims', { catalogue: undefined, failure }]]));
    const codes = () => stage.pipeline.problems.value.map(({ code }) => code);
    await said(stage, 'server_not_mcp');
    expect(codes()).to.have.members([
      'registration_invalid',
      'registration_conflict',
      'server_not_mcp',
    ]);
    expect(await stage.metrics.text()).to.include('mcpx_problems{code="server_not_mcp"} 1');
    stage.registry('file').reports([claims]);
    stage.pipeline.probed(offering({ claims: [] }));
    await stage.pipeline.problems.when((problems) => problems.length === 0);
    expect(await stage.metrics.text()).not.to.match(/^mcpx_problems\{/m);
  });

  describe('while it is busy', () => {
    it('takes reports together, and the newest of each registry', async () => {
      const stage = start('file');
      for (let port = 1; port <= 50; port++)
        stage.registry('file').holds(registration({ port, id: String(port) }));
      const { services } = await holding(stage, 'claims');
      expect(services[0]?.instances.map(({ id }) => id)).to.deep.equal(['50']);
      // Whatever was planned together with the first translation has had its turn then.
      await new Promise(setImmediate);
      expect(await translations(stage.metrics)).to.equal(1);
    });

    it('loses no report that comes in the middle of a translation', async () => {
      const stage = start('file');
      const unsubscribe = stage.pipeline.snapshot.subscribe((snapshot) => {
        if (snapshot === undefined) return;
        unsubscribe();
        stage.registry('file').holds(policy);
        stage.registry('file').holds(policy, claims);
      });
      stage.registry('file').holds(claims);
      await holding(stage, 'claims', 'policy');
      expect(await translations(stage.metrics)).to.equal(2);
    });
  });

  it('counts services and instances', async () => {
    const stage = start('file');
    stage.registry('file').holds(claims, policy, { ...policy, id: 'second', port: 3002 });
    await published(stage);
    const text = await stage.metrics.text();
    expect(text)
      .to.match(/^mcpx_services 2$/m)
      .and.to.match(/^mcpx_instances 3$/m);
  });

  it('does nothing more once it is closed', async () => {
    const stage = start('file');
    stage.registry('file').holds(claims);
    await published(stage);
    stage.pipeline.close();
    const planned = () =>
      process.getActiveResourcesInfo().filter((name) => /^(Timeout|Immediate)$/.test(name)).length;
    const before = planned();
    stage.registry('file').holds(policy);
    expect(planned()).to.equal(before);
  });
});
