import { expect } from 'chai';
import { problem } from '../../../src/errors.js';
import type { Service } from '../../../src/fleet/fleet.js';
import { catalogueOf } from '../fleet/registered.js';
import { felt, twoVersions } from '../rollouts/stage.js';
import { nodeOf, serviceOf, startOn, stateOf, stopAll } from './stage.js';

interface Answer {
  readonly status: number;
  readonly json: Record<string, never> & { readonly detail?: string };
}

async function send(method: string, url: string, body?: object): Promise<Answer> {
  const answer = await fetch(url, {
    method,
    ...(body && {
      headers: { 'content-type': 'application/json', 'x-mcpx-user': 'ana' },
      body: JSON.stringify(body),
    }),
  });
  return { status: answer.status, json: (await answer.json()) as Answer['json'] };
}

const order = { to: '2.0.0', steps: [5, 50, 100], every: '1m' };

describe('rollouts by REST', () => {
  let state: ReturnType<typeof stateOf>;
  let url: string;

  async function serve(...services: readonly Service[]): Promise<void> {
    state = stateOf(services);
    state.nodesNow.set([nodeOf('edge-1'), nodeOf('side-1', { role: 'sidecar/claims' })]);
    url = `${await startOn(state)}/v1/services`;
  }

  const start = (changes: object = {}, query = '') =>
    send('POST', `${url}/claims/rollout${query}`, { ...order, ...changes });
  const move = (action: string, body: object = {}, query = '') =>
    send('POST', `${url}/claims/rollout/${action}${query}`, body);
  const status = () => send('GET', `${url}/claims/rollout`);

  beforeEach(() => serve(twoVersions(), serviceOf('everything')));
  afterEach(stopAll);

  it('begin: the answer says what was done, where, and to which shares', async () => {
    const { status: code, json } = await start();
    expect(code).to.equal(201);
    expect(json).to.deep.include({
      ...{ service: 'claims', dryRun: false, what: 'start', kind: 'canary' },
      ...{ from: '1.0.0', to: '2.0.0', phase: { to: 'running' }, nodes: ['edge-1'] },
      shares: [
        { version: '1.0.0', from: 50, to: 95 },
        { version: '2.0.0', from: 50, to: 5 },
      ],
    });
    expect(json)
      .to.have.property('resources')
      .that.deep.includes({ kind: 'endpoint', name: 'claims', change: 'changed' });
  });

  it('begin: a dry run tells the same, and changes nothing', async () => {
    const dry = await start({}, '?dryRun=true');
    expect(dry.status).to.equal(200);
    expect((await status()).status).to.equal(404);
    const { json } = await start();
    expect({ ...json, dryRun: true }).to.deep.equal(dry.json);
  });

  it('are shown with shares, signals, verdict and what is next', async () => {
    await start({ minCalls: 50 });
    state.signalsNow.set('1.0.0', felt(2_000)).set('2.0.0', felt(1_000, 2));
    const { json } = await status();
    expect(json).to.have.nested.property('rollout.phase', 'running');
    expect(json).to.have.nested.property('rollout.limits.minCalls', 50);
    expect(json).to.have.property('open', true);
    expect(json).to.have.nested.property('versions[0].share', 95);
    expect(json).to.have.nested.property('versions[0].instances.passing', 2);
    expect(json).to.have.nested.property('versions[1].signals.calls', 1_000);
    expect(json).to.have.nested.property('versions[1].signals.failed', 2);
    expect(json).to.have.nested.property('versions[1].signals.p99Ms').that.is.a('number');
    expect(json).to.have.nested.property('verdict.kind', 'good');
    expect(json).to.have.nested.property('next.what', 'wait');
    expect(json).to.have.nested.property('next.againInMs', 60_000);
  });

  it('keep who did what, when, and why, over all rollouts', async () => {
    await start();
    await move('abort', { why: 'not today' });
    await start({ steps: [100] });
    const { json } = await send('GET', `${url}/claims/rollouts`);
    expect(json).to.have.property('rollouts').that.has.lengthOf(2);
    expect(json).to.have.nested.property('rollouts[0].phase', 'running');
    const [begun, ended] = (json as unknown as { rollouts: { events: object[] }[] }).rollouts[1]!
      .events;
    expect(begun).to.deep.include({ who: 'ana', what: 'start', share: 5, to: 'running' });
    expect(ended).to.deep.include({ who: 'ana', what: 'abort', why: 'not today', share: 0 });
    expect(ended).to.have.property('at', '2026-01-02T03:04:05.000Z');
    const none = await send('GET', `${url}/everything/rollouts`);
    expect(none.json).to.deep.equal({ service: 'everything', rollouts: [] });
  });

  it('go through blue-green, and back', async () => {
    const staged = await start({ kind: 'bluegreen', steps: undefined, every: undefined });
    expect(staged.json).to.have.nested.property('shares[1].to', 0);
    const phases = [];
    for (const action of ['switch', 'rollback', 'switch', 'finish', 'rollback'])
      phases.push((await move(action)).json['phase']);
    expect(phases).to.deep.equal([
      { from: 'staged', to: 'switched' },
      { from: 'switched', to: 'staged' },
      { from: 'staged', to: 'switched' },
      { from: 'switched', to: 'finished' },
      { from: 'finished', to: 'rolled_back' },
    ]);
  });

  it('tell of an end how long the version that lost drains, before it and after', async () => {
    await start({ drain: '0s' });
    expect((await start({}, '?dryRun=true')).json).to.not.have.property('drain');
    const atOnce = await move('promote', {}, '?dryRun=true');
    const words = 'sessions on 1.0.0 end at once';
    expect(atOnce.json).to.have.property('drain').deep.equal({ version: '1.0.0', ms: 0, words });
    await move('abort');
    await start({ kind: 'bluegreen', steps: undefined, every: undefined, drain: '90s' });
    await move('switch');
    const { json } = await move('finish');
    expect(json).to.have.nested.property(
      'drain.words',
      '1.0.0 keeps its sessions for 1 min 30 s, then they end',
    );
    expect((await status()).json).to.have.nested.property('rollout.drainMs', 90_000);
    expect((await status()).json).to.have.nested.property(
      'next.why',
      '1.0.0 drains: 1 min 30 s to go, then its sessions end.',
    );
  });

  it('refuse what is not possible now, and say what is', async () => {
    await start();
    const second = await start();
    expect(second.status).to.equal(409);
    expect(second.json.detail).to.contain('one at a time');
    const turn = await move('switch');
    expect(turn.status).to.equal(409);
    expect(turn.json.detail).to.contain('pause');
    expect((await move('advance')).status).to.equal(404);
    expect((await move('pawse')).json.detail).to.contain('Did you mean pause?');
  });

  it('do only what was seen: a plan that is overtaken is refused', async () => {
    await start();
    const plan = await move('promote', {}, '?dryRun=true');
    await move('pause');
    const late = await move('promote', { seen: plan.json['seen'] });
    expect(late.status).to.equal(409);
    expect(late.json.detail).to.contain('went on in between');
  });

  it('refuse a breaking change with the list of them, unless it is accepted', async () => {
    await serve(twoVersions({ '1.0.0': catalogueOf('look', 'file', 'pay') }));
    const refused = await start();
    expect(refused.status).to.equal(409);
    expect(refused.json.detail).to.contain('tool file').and.contain('tool pay');
    expect((await start({ acceptBreaking: true })).status).to.equal(201);
  });

  const wrong: Readonly<Record<string, [object, string | RegExp]>> = {
    'steps that do not rise': [{ steps: [50, 5] }, 'Steps rise'],
    'a step above 100': [{ steps: [500] }, 'steps[0] must be a whole number from 1 to 100'],
    'a time that is none': [{ every: 'soon' }, 'every must be a duration such as 30s'],
    'a drain that is no time': [{ drain: 10 }, 'drain must be a duration such as 0s, 10m or 1h'],
    'no version': [{ to: undefined }, 'to must be a version'],
    'a field nobody knows': [{ stepz: [1] }, 'did you mean steps?'],
    'a field nobody knows, and asks no more than that': [{ too: '1' }, /did you mean to\?($|[^.])/],
    'a rule by session': [
      { match: [{ header: 'Mcp-Session-Id', value: 'x' }] },
      'match[0].header must be a header that the first call of a session has',
    ],
    'a rule by what the gateway takes off': [
      { match: [{ header: 'x-mcpx-cluster', value: 'x' }] },
      'match[0].header must be a header that the first call',
    ],
    'steps of a bluegreen': [{ kind: 'bluegreen' }, 'steps belongs to a canary'],
    'a rule without a value': [{ match: [{ header: 'x-team' }] }, 'match[0].value'],
    'a rule by a secret': [
      { match: [{ header: 'Authorization', value: 'Bearer x' }] },
      'match[0].header must be a header without a secret',
    ],
    'an error rate in percent': [{ maxErrorRate: 5 }, '0.01 is 1 %'],
  };
  for (const [what, [changes, words]] of Object.entries(wrong))
    it(`refuse ${what}`, async () => {
      const { status: code, json } = await start(changes);
      expect(code).to.equal(400);
      if (typeof words === 'string') expect(json.detail).to.contain(words);
      else expect(json.detail).to.match(words);
    });

  it('refuse a rule by certificate where agents show none', async () => {
    const { status: code, json } = await start({ match: [{ principal: 'spiffe://mcpx/qa' }] });
    expect(code).to.equal(409);
    expect(json.detail).to.contain('gateway.tls.clients');
  });

  it('warn of a version that nobody checks, as long as it is to serve', async () => {
    const { instances, ...service } = twoVersions();
    const unchecked = instances.map((each) => ({ ...each, unchecked: true as const }));
    await serve({ ...service, instances: unchecked });
    for (const { json } of [await start(), await move('pause'), await move('promote')])
      expect(json).to.have.nested.property('warnings[0]').that.contains('nobody checks 2.0.0');
    expect((await move('rollback')).json['warnings']).to.deep.equal([]);
    await serve(twoVersions());
    expect((await start()).json['warnings']).to.deep.equal([]);
  });

  it('refuse a version that is not there, and a service that is not', async () => {
    const { status: code, json } = await start({ to: '9.0.0' });
    expect(code).to.equal(409);
    expect(json.detail).to.contain('There is no version 9.0.0; present: 1.0.0 and 2.0.0');
    const nowhere = await send('POST', `${url}/claim/rollout`, order);
    expect(nowhere.status).to.equal(404);
    expect(nowhere.json.detail).to.contain('Did you mean claims?');
    expect((await send('GET', `${url}/claim/rollout`)).status).to.equal(404);
    expect((await send('GET', `${url}/claim/rollouts`)).status).to.equal(404);
  });

  it('refuse a version that is registered and left out, with why that is', async () => {
    const message = 'Instance 1 is left out: it serves /other while claims is served on /mcp.';
    state.problemsNow.set([problem('registration_conflict', { service: 'claims' }, message)]);
    expect((await start({ to: '9.0.0' })).json.detail).to.contain(message);
  });

  it('change nothing when the registry does not take it', async () => {
    state.registry.refusal = new Error('connection refused');
    const { status: code, json } = await start();
    expect(code).to.equal(503);
    expect(json.detail).to.contain('connection refused');
    state.registry.refusal = undefined;
    expect((await status()).status).to.equal(404);
  });
});
