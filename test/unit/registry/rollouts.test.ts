import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Outcome } from '../../../src/errors.js';
import { silentLog } from '../../../src/log.js';
import { createFileRegistry } from '../../../src/registry/file.js';
import type { Registry } from '../../../src/registry/registry.js';
import { isStill, rolloutEntry, textOfRollout } from '../../../src/registry/rollouts.js';
import { rolloutOf } from '../fleet/registered.js';
import { anyTarget, holds, watching } from './watching.js';

const one = `services:\n  - {name: claims, version: 2.1.0, url: "http://10.0.0.7:3000/mcp"}\n`;
const two = `${one}  - {name: policy, version: 1.0.0, url: "http://10.0.0.8:3000/mcp"}\n`;

const decoded = (document: unknown, service = 'claims') =>
  rolloutEntry({ service, text: JSON.stringify(document), source: 'etcd' }).decode();

const messageOf = (read: Outcome<unknown>) => (read.ok ? '' : read.problems[0]?.message);

describe("a rollout's document", () => {
  it('that a newer release wrote is still the one that was read, with all its fields', () => {
    const { current, earlier } = rolloutOf('claims');
    const newer = { current: { ...current, region: 'eu' }, earlier, note: 'of tomorrow' };
    const text = JSON.stringify(newer);
    const read = decoded(newer);
    if (!read.ok) throw new Error(messageOf(read));
    expect(isStill(text, read.value.value)).to.equal(true);
    expect(JSON.parse(textOfRollout(read.value.value))).to.deep.equal(JSON.parse(text));
  });

  it('that an older release wrote says nothing of a drain, and is still the one read', () => {
    const text = JSON.stringify(rolloutOf('claims'));
    const read = decoded(JSON.parse(text));
    if (!read.ok) throw new Error(messageOf(read));
    expect(read.value.value.current).to.not.have.property('drainMs');
    expect(isStill(text, read.value.value)).to.equal(true);
  });

  it('keeps how long the loser drains, and that it is retired', () => {
    const event = { at: 1, who: 'mcpx', what: 'retire', from: 'promoted', to: 'promoted' } as const;
    const events = [{ ...event, share: 100, why: '' }];
    const read = decoded(rolloutOf('claims', { phase: 'promoted', drainMs: 0, events }));
    expect(read.ok && read.value.value.current).to.deep.include({ drainMs: 0, events });
    expect(messageOf(decoded(rolloutOf('claims', { drainMs: -1 })))).to.include('drainMs');
  });

  it('under the key of another service is a mistake, or it would steer that one', () => {
    const read = decoded(rolloutOf('claims'), 'policy');
    expect(messageOf(read)).to.include('claims').and.include('delete');
  });

  it('at a step that it has not is a mistake', () => {
    const read = decoded(rolloutOf('claims', { step: 2 }));
    expect(messageOf(read)).to.include('no step 2');
  });
});

describe('rollouts.json beside services.yaml', () => {
  let folder: string;
  let registry: Registry;
  let services: string;
  let rollouts: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mcpx-rollouts-'));
    [services, rollouts] = [join(folder, 'services.yaml'), join(folder, 'rollouts.json')];
    registry = createFileRegistry({ path: services, allowedTargets: anyTarget, log: silentLog });
    await writeFile(services, one);
  });
  afterEach(async () => {
    await registry.close();
    await rm(folder, { recursive: true });
  });

  it('with a mistake is named, and keeps back no service', async () => {
    await writeFile(rollouts, '{"claims":');
    const seen = watching(registry);
    const first = await seen.report(holds('10.0.0.7:3000'));
    expect(first.problems.map(({ subject }) => subject.path)).to.deep.equal([rollouts]);
    expect(seen.hearing.value.state).to.equal('lost');
    await writeFile(services, two);
    await seen.report(holds('10.0.0.7:3000', '10.0.0.8:3000'));
    expect(seen.hearing.value.state).to.equal('lost');
    await rm(rollouts);
    await seen.hearing.when(({ state }) => state === 'heard');
    expect(seen.reports.every(({ registrations }) => registrations.length > 0)).to.equal(true);
  });

  it('is not that of another file in the folder, as another environment has', async () => {
    const path = join(folder, 'services.staging.yaml');
    const staging = createFileRegistry({ path, allowedTargets: anyTarget, log: silentLog });
    await staging.keepRollout(rolloutOf('claims'), undefined);
    await staging.close();
    const seen = watching(registry);
    expect((await seen.report(holds('10.0.0.7:3000'))).rollouts.size).to.equal(0);
    expect(await readdir(folder)).to.include('rollouts.staging.json');
  });

  it('is not written over while it holds a mistake', async () => {
    await writeFile(rollouts, '[]');
    const kept = await registry.keepRollout(rolloutOf('claims'), undefined);
    expect(!kept.ok && kept.problems[0]?.code).to.equal('registry_unreadable');
    expect(await readFile(rollouts, 'utf8')).to.equal('[]');
  });

  it('is heard while services.yaml holds a mistake, so a rollout can be taken back', async () => {
    const seen = watching(registry);
    await seen.report(holds('10.0.0.7:3000'));
    await writeFile(services, 'services: [');
    await seen.hearing.when(({ state }) => state === 'lost');
    await registry.keepRollout(rolloutOf('claims', { phase: 'aborted' }), undefined);
    const report = await seen.report((each) => each.rollouts.size > 0);
    expect(report.rollouts.get('claims')?.current.phase).to.equal('aborted');
    expect(report.registrations.map(({ id }) => id)).to.deep.equal(['10.0.0.7:3000']);
    expect(report.problems[0]?.message).to.include(services);
  });
});
