import { expect } from 'chai';
import { startAdmin } from '../../../src/admin/admin.js';
import { readiness } from '../../../src/admin/schemas.js';
import type { SourceName } from '../../../src/fleet/fleet.js';
import type { Hearing } from '../../../src/registry/registry.js';
import { optionsFor, startOn, stateOf, stopAll } from './stage.js';

const hearing = (file: Hearing): ReadonlyMap<SourceName, Hearing> => new Map([['file', file]]);

describe('the health of the control plane', () => {
  afterEach(stopAll);

  it('/healthz answers while the process lives', async () => {
    const url = await startOn(stateOf());
    expect(await (await fetch(`${url}/healthz`)).json()).to.deep.equal({
      status: 'ok',
      version: '0.1.0',
    });
  });

  it('/readyz is 503 until every registry was heard, and says which and why', async () => {
    const state = stateOf();
    state.hearing.set(hearing({ state: 'lost', reason: 'connect ECONNREFUSED' }));
    const url = await startOn(state);
    const before = await fetch(`${url}/readyz`);
    expect(before.status).to.equal(503);
    expect(await before.text()).to.contain('file (connect ECONNREFUSED)');
    state.hearing.set(hearing({ state: 'heard' }));
    const after = await fetch(`${url}/readyz`);
    expect(after.status).to.equal(200);
    expect(readiness.parse(await after.json()).status).to.equal('ready');
  });

  it('/readyz stays 200 when a registry is lost that was heard, and says so', async () => {
    const state = stateOf();
    const url = await startOn(state);
    state.hearing.set(hearing({ state: 'lost', reason: 'gone' }));
    const answer = await fetch(`${url}/readyz`);
    expect(answer.status).to.equal(200);
    const told = readiness.parse(await answer.json());
    expect(told.detail).to.contain('now lost').and.contain('gone');
    expect(told.registries).to.deep.equal([{ source: 'file', state: 'lost', reason: 'gone' }]);
  });

  it('/readyz is 200 and stale while a kept last good is served', async () => {
    const state = stateOf();
    state.hearing.set(new Map());
    state.stale.set(true);
    const answer = await fetch(`${await startOn(state)}/readyz`);
    expect(answer.status).to.equal(200);
    const told = readiness.parse(await answer.json());
    expect(told.status).to.equal('stale');
    expect(told.registries).to.deep.equal([{ source: 'file', state: 'connecting' }]);
  });

  it('/readyz is 503 from the moment it drains, and all else is still answered', async () => {
    const state = stateOf();
    const admin = await startAdmin(state, optionsFor());
    if (!admin.ok) throw new Error(admin.problems[0]?.message);
    const url = `http://127.0.0.1:${admin.value.port}`;
    const watching = await fetch(`${url}/v1/exposed?watch=true`);
    expect((await fetch(`${url}/readyz`)).status).to.equal(200);
    admin.value.drain();
    const answer = await fetch(`${url}/readyz`);
    expect(answer.status).to.equal(503);
    expect(await answer.text()).to.contain('stopping');
    expect(await watching.text(), 'who watches goes elsewhere').to.contain('synced');
    expect((await fetch(`${url}/healthz`)).status).to.equal(200);
    expect((await fetch(`${url}/metrics`)).status).to.equal(200);
    await admin.value.close();
  });

  it('/metrics is Prometheus text', async () => {
    const state = stateOf();
    state.metrics.services.set(3);
    const answer = await fetch(`${await startOn(state)}/metrics`);
    expect(answer.headers.get('content-type')).to.contain('text/plain');
    expect(await answer.text()).to.contain('mcpx_services 3');
  });
});
