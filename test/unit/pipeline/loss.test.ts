/** A registry that loses much at once, as the whole loop takes it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { SourceName } from '../../../src/fleet/fleet.js';
import { registration } from '../fleet/registered.js';
import { startPipeline, temporaryFolder, type Stage } from './stage.js';

const fleet = Array.from({ length: 10 }, (_, index) =>
  registration({ name: `service-${index}`, id: String(index), port: 4000 + index }),
);
const few = fleet.slice(8);

describe('a sudden loss in a registry', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let stage: Stage;
  beforeEach(() => {
    folder = temporaryFolder();
  });
  afterEach(async () => {
    await stage.end();
    folder.remove();
  });

  async function serving(source: SourceName, hold?: string): Promise<void> {
    if (hold !== undefined)
      writeFileSync(join(folder.path, 'mcpx.yaml'), `registry: {suddenLoss: {hold: ${hold}}}`);
    stage = startPipeline(folder.path, source);
    stage.registry(source).holds(...fleet);
    await served(fleet.length);
  }

  const served = (count: number) =>
    stage.pipeline.fleet.when(({ services }) => services.length === count);
  const heldProblem = async () => {
    const isHeld = ({ code }: { code: string }) => code === 'registry_loss_held';
    const problems = await stage.pipeline.problems.when((all) => all.some(isHeld));
    return problems.find(isHeld);
  };
  const allWell = () => stage.pipeline.problems.when((all) => all.length === 0);

  it('changes nothing for Envoy, and says what, until when, and the way out', async () => {
    await serving('consul');
    const before = stage.pipeline.snapshot.value;
    stage.registry('consul').reports(few);
    const told = await heldProblem();
    expect(told?.subject).to.deep.equal({ source: 'consul' });
    expect(told?.message).to.match(/stopped naming 8 of 10 instances at once: service-0, /);
    expect(told?.message).to.match(/service-4 and 3 more\..* until \d{4}-.*Z unless/);
    expect(told?.message).to.include('mcpx registry accept consul');
    expect(stage.pipeline.snapshot.value).to.equal(before);
    expect(await stage.metrics.text()).to.include('mcpx_held_instances{source="consul"} 8');
  });

  it('is over when all return', async () => {
    await serving('consul');
    stage.registry('consul').reports(few);
    await heldProblem();
    stage.registry('consul').reports(fleet);
    await allWell();
    expect(await stage.metrics.text()).to.include('mcpx_held_instances{source="consul"} 0');
  });

  it('is believed by itself once the registry has said so long enough', async () => {
    await serving('consul', '50ms');
    stage.registry('consul').reports(few);
    await heldProblem();
    await served(few.length);
    await allWell();
  });

  it('is believed at once when it is accepted', async () => {
    await serving('consul');
    stage.registry('consul').reports(few);
    await heldProblem();
    expect(stage.pipeline.accept('consul')).to.have.lengthOf(8);
    await served(few.length);
    await allWell();
  });

  it('is none when an operator removes it', async () => {
    await serving('consul');
    for (const { name } of fleet.slice(0, 8)) stage.pipeline.removing('consul', { service: name });
    stage.registry('consul').reports(few);
    await served(few.length);
    expect(stage.pipeline.problems.value).to.deep.equal([]);
  });

  it('is none in the file, which its owner edits, unless nothing is left', async () => {
    await serving('file');
    stage.registry('file').reports(few);
    await served(few.length);
    stage.registry('file').reports(fleet);
    await served(fleet.length);
    stage.registry('file').reports([]);
    expect((await heldProblem())?.message).to.include('mcpx registry accept file');
    expect(stage.services()).to.have.lengthOf(fleet.length);
  });

  it('is held over a restart, too', async () => {
    await serving('consul');
    stage.registry('consul').reports(few);
    await heldProblem();
    await stage.end();
    stage = startPipeline(folder.path, 'consul');
    stage.registry('consul').holds(...few);
    await heldProblem();
    expect(stage.services()).to.have.lengthOf(fleet.length);
  });

  it('tells of every registry what is served and held of it', async () => {
    await serving('consul');
    stage.registry('consul').reports(few);
    await heldProblem();
    const [status] = stage.pipeline.beliefs();
    expect(status).to.include({ source: 'consul', instances: 10 });
    expect(status?.held?.registrations).to.have.lengthOf(8);
    expect(status?.since).to.be.a('number');
  });
});
