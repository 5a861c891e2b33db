import { expect } from 'chai';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { exposedRoutes } from '../../../src/admin/exposed.js';
import { exposedLine, exposedList } from '../../../src/admin/schemas.js';
import { emptyFleet, type Fleet } from '../../../src/fleet/fleet.js';
import { Latest } from '../../../src/latest.js';
import { serviceOf, startOn, stateOf, stopAll } from './stage.js';

/** The lines of the stream, one at a time, each checked against the API's own schema. */
async function watch(url: string, signal?: AbortSignal) {
  const answer = await fetch(`${url}/v1/exposed?watch=true`, signal ? { signal } : {});
  expect(answer.headers.get('content-type')).to.equal('application/x-ndjson');
  const body = Readable.fromWeb(answer.body as ReadableStream);
  const lines = createInterface(body)[Symbol.asyncIterator]();
  return async () => {
    const { value, done } = (await lines.next()) as { value: string; done: boolean };
    return done ? undefined : exposedLine.parse(JSON.parse(value));
  };
}

const nameOf = (line: unknown) => (line as { service: { name: string } }).service.name;

describe('the stream of exposed services', () => {
  afterEach(stopAll);

  it('gives everything at once without watch', async () => {
    const url = await startOn(stateOf([serviceOf('claims')]));
    const told = exposedList.parse(await (await fetch(`${url}/v1/exposed`)).json());
    expect(told.synced).to.be.true;
    expect(told.services.map(({ name }) => name)).to.deep.equal(['claims']);
  });

  it('tells all services, then synced, then only what changes', async () => {
    const [claims, policy] = [serviceOf('claims'), serviceOf('policy')];
    const state = stateOf([claims, policy]);
    const next = await watch(await startOn(state));
    expect(nameOf(await next())).to.equal('claims');
    expect(nameOf(await next())).to.equal('policy');
    expect(await next()).to.deep.equal({ synced: true });
    state.fleet.set({ services: [claims, serviceOf('policy', { probe: undefined })] });
    const changed = await next();
    expect(nameOf(changed)).to.equal('policy');
    expect(changed).to.have.nested.property('service.missing', 'it has not been asked yet');
    state.fleet.set({ services: [claims] });
    expect(await next()).to.deep.equal({ removed: 'policy' });
  });

  it('says synced only once every registry was heard', async () => {
    const state = stateOf([serviceOf('claims')]);
    state.hearing.set(new Map());
    const next = await watch(await startOn(state));
    expect(nameOf(await next())).to.equal('claims');
    state.fleet.set({ services: [...state.fleet.value.services, serviceOf('policy')] });
    expect(nameOf(await next())).to.equal('policy');
    state.hearing.set(new Map([['file', { state: 'heard' }]]));
    expect(await next()).to.deep.equal({ synced: true });
  });

  it('gives a reader that was slow the newest only', async () => {
    const large = serviceOf('large', {
      probe: {
        failure: undefined,
        catalogue: {
          ...serviceOf('large').probe!.catalogue!,
          tools: [{ name: 'big', description: 'x'.repeat(4_000_000) }],
        },
      },
    });
    const state = stateOf([large]);
    const next = await watch(await startOn(state));
    for (let round = 0; round < 50; round++)
      state.fleet.set({ services: [{ ...large }, serviceOf(`round-${round}`)] });
    const names: string[] = [];
    while (!names.includes('round-49')) {
      const line = await next();
      if (line && 'service' in line) names.push(nameOf(line));
    }
    expect(names.length).to.be.below(6);
  });

  it('says that it lives when there is nothing else to say', async () => {
    const [route] = exposedRoutes({
      fleet: new Latest<Fleet>(emptyFleet),
      complete: new Latest(true),
      closing: new AbortController().signal,
      keepAliveMs: 5,
    });
    const answer = await route!.handle({
      params: {},
      query: { watch: 'true' },
      user: 'ana',
      body: {},
    });
    if (!('content' in answer) || typeof answer.content === 'string') throw new Error('no stream');
    const lines: string[] = [];
    for await (const line of answer.content) {
      lines.push(String(line));
      if (lines.length === 3) break;
    }
    expect(lines).to.deep.equal(['{"synced":true}\n', '{}\n', '{}\n']);
  });

  it('ends cleanly when the API closes, and forgets a reader that left', async () => {
    const state = stateOf([serviceOf('claims')]);
    const url = await startOn(state);
    const next = await watch(url);
    await next();
    await next();
    const leaving = new AbortController();
    const other = await watch(url, leaving.signal);
    await other();
    leaving.abort();
    const before = Date.now();
    await stopAll();
    expect(await next()).to.equal(undefined);
    expect(Date.now() - before).to.be.below(1_500);
  });
});
