import { expect } from 'chai';
import { acceptedLoss, registryList } from '../../../src/admin/schemas.js';
import { registration } from '../fleet/registered.js';
import { startOn, stateOf, stopAll } from './stage.js';

const lost = ['one', 'two'].map((id, index) => registration({ id, port: 3000 + index }));
const held = {
  registrations: lost,
  until: Date.UTC(2026, 0, 2, 3, 4, 5),
  loss: { registrations: lost, of: 3 },
};
const services = [{ service: 'claims', instances: ['one', 'two'] }];

describe('the registries, by REST', () => {
  afterEach(stopAll);

  it('are listed with how they are heard, and what is held back', async () => {
    const state = stateOf();
    const url = `${await startOn(state)}/v1/registries`;
    const listed = async () => registryList.parse(await (await fetch(url)).json()).registries;
    const heard = { source: 'file', state: 'heard', since: '1970-01-01T00:00:00.000Z' };
    expect(await listed()).to.deep.equal([{ ...heard, instances: 7 }]);
    state.heldNow.set(held);
    state.hearing.set(new Map([['file', { state: 'lost', reason: 'gone' }]]));
    const [file] = await listed();
    expect(file).to.include({ state: 'lost', reason: 'gone' });
    expect(file?.held).to.deep.equal({ instances: 2, until: '2026-01-02T03:04:05.000Z', services });
    state.heldNow.set({ ...held, until: undefined });
    expect((await listed())[0]?.held).not.to.have.property('until');
  });

  it('let go what is held when their loss is accepted, and tell what that was', async () => {
    const state = stateOf();
    state.heldNow.set(held);
    const url = `${await startOn(state)}/v1/registries/file/accept`;
    const post = async (query = '') => {
      const answer = await fetch(`${url}${query}`, { method: 'POST' });
      return acceptedLoss.parse(await answer.json());
    };
    const went = { source: 'file', instances: 2, services };
    expect(await post('?dryRun=true')).to.deep.equal({ ...went, dryRun: true });
    expect(state.heldNow.value, 'a dry run changes nothing').to.equal(held);
    expect(await post()).to.deep.equal({ ...went, dryRun: false });
    expect(state.heldNow.value).to.equal(undefined);
    expect(await post()).to.include({ instances: 0 });
  });

  it('are 404 where they are not configured, with the nearest name', async () => {
    const url = await startOn(stateOf());
    const answer = await fetch(`${url}/v1/registries/fil/accept`, { method: 'POST' });
    expect(answer.status).to.equal(404);
    expect(await answer.text()).to.contain('Did you mean file?');
  });

  it('are told of a removal before it is made, so that it is taken for no loss', async () => {
    const state = stateOf();
    const url = await startOn(state);
    await fetch(`${url}/v1/services/claims/instances/one`, { method: 'DELETE' });
    await fetch(`${url}/v1/services/policy`, { method: 'DELETE' });
    expect(state.announced).to.deep.equal([
      { service: 'claims', instance: 'one' },
      { service: 'policy', instance: undefined },
    ]);
  });
});
