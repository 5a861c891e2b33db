import { expect } from 'chai';
import { registration } from '../fleet/registered.js';
import { startOn, stateOf, stopAll } from '../admin/stage.js';
import { mcpx } from './stage.js';

const lost = ['one', 'two'].map((id, index) => registration({ id, port: 3000 + index }));
const until = Date.UTC(2026, 0, 2, 3, 4, 5);
const held = { registrations: lost, until, loss: { registrations: lost, of: 3 } };

describe('mcpx registry', () => {
  afterEach(stopAll);

  it('list: shows how each is heard, and what is held back of it', async () => {
    const state = stateOf();
    const env = { MCPX_ADMIN_URL: await startOn(state) };
    const calm = await mcpx(['registry', 'list'], { env });
    expect(calm.exitCode).to.equal(0);
    expect(calm.out).to.match(/^REGISTRY +STATE +SINCE +INSTANCES +HELD\nfile +heard +1970\S+ +7$/);
    state.heldNow.set(held);
    const { out } = await mcpx(['registry', 'list'], { env });
    expect(out).to.match(/file +heard +\S+ +7 +2 until 2026-01-02T03:04:05.000Z/);
    expect(out)
      .to.match(/claims +one, two/)
      .and.to.contain('mcpx registry accept file');
    const json = await mcpx(['registry', 'list', '--json'], { env });
    expect(JSON.parse(json.out)).to.have.nested.property('registries[0].held.instances', 2);
  });

  it('list: says why one is lost, and that what is held waits for it', async () => {
    const state = stateOf();
    state.hearing.set(new Map([['file', { state: 'lost', reason: 'connection refused' }]]));
    state.heldNow.set({ ...held, until: undefined });
    const { out } = await mcpx(['registry', 'list', '--admin', await startOn(state)]);
    expect(out).to.match(/file +lost .* 2 until it is heard +connection refused/);
  });

  it('accept: shows what goes, then lets it go', async () => {
    const state = stateOf();
    state.heldNow.set(held);
    const env = { MCPX_ADMIN_URL: await startOn(state) };
    const dry = await mcpx(['registry', 'accept', 'file', '--dry-run'], { env });
    expect(dry.out).to.match(/no longer names these:\nSERVICE +INSTANCES\nclaims +one, two$/);
    expect(state.heldNow.value).to.equal(held);
    const { exitCode, out } = await mcpx(['registry', 'accept', 'file'], { env });
    expect(exitCode).to.equal(0);
    expect(out).to.equal(`${dry.out}\nAccepted: 2 instances are let go.`);
    expect(state.heldNow.value).to.equal(undefined);
    const again = await mcpx(['registry', 'accept', 'file'], { env });
    expect(again.exitCode).to.equal(0);
    expect(again.out).to.equal('Nothing of file is held back.');
  });

  it('accept: prints one JSON document, of what went or would go', async () => {
    const state = stateOf();
    state.heldNow.set(held);
    const env = { MCPX_ADMIN_URL: await startOn(state) };
    for (const [flag, dryRun] of [['--dry-run', true] as const, [undefined, false] as const]) {
      const words = ['registry', 'accept', 'file', '--json', ...(flag === undefined ? [] : [flag])];
      const { out } = await mcpx(words, { env });
      expect(JSON.parse(out)).to.include({ dryRun, instances: 2 });
    }
    expect(state.heldNow.value).to.equal(undefined);
  });

  it('accept: fails for a registry that is not configured', async () => {
    const words = ['registry', 'accept', 'fil', '--admin', await startOn(stateOf())];
    const { exitCode, err } = await mcpx(words);
    expect(exitCode).to.equal(1);
    expect(err).to.contain('Did you mean file?');
  });
});
