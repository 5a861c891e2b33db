import { expect } from 'chai';
import { problem } from '../../../src/errors.js';
import { registered, serviceDetail, serviceList } from '../../../src/admin/schemas.js';
import { serviceOf, startOn, stateOf, stopAll } from './stage.js';

const claims = { name: 'claims', version: '2.1.0', url: 'http://127.0.0.1:3000/mcp' };

async function post(url: string, document: unknown): Promise<Response> {
  return fetch(`${url}/v1/services`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(document),
  });
}

describe('the services of the admin API', () => {
  afterEach(stopAll);

  it('lists each service with versions, eras, instances, tools and state', async () => {
    const down = serviceOf('policy', {
      instances: serviceOf('policy').instances.map((each) => ({ ...each, passing: false })),
    });
    const url = await startOn(stateOf([serviceOf('claims'), down]));
    const answer = await fetch(`${url}/v1/services`);
    expect(answer.status).to.equal(200);
    const { services } = serviceList.parse(await answer.json());
    expect(services[0]).to.deep.equal({
      name: 'claims',
      state: 'ready',
      versions: ['1.0.0'],
      eras: ['modern', 'legacy'],
      instances: { passing: 1, total: 1 },
      tools: 1,
      sources: ['file'],
    });
    expect(services[1]).to.include({ state: 'down', reason: 'no instance passes its checks' });
  });

  it('shows one service with its instances, policy, probe and its own problems', async () => {
    const state = stateOf([serviceOf('claims')]);
    state.problemsNow.set([
      problem('server_unreachable', { service: 'claims' }, 'claims is away.'),
      problem('server_unreachable', { service: 'other' }, 'other is away.'),
    ]);
    const url = await startOn(state);
    const detail = serviceDetail.parse(await (await fetch(`${url}/v1/services/claims`)).json());
    expect(detail.instances[0]?.url).to.equal('http://127.0.0.1:3000/mcp');
    expect(detail.policy.era).to.equal('auto');
    expect(detail.tools.map(({ name }) => name)).to.deep.equal(['claims__look']);
    expect(detail.problems.map(({ message }) => message)).to.deep.equal(['claims is away.']);
  });

  it('answers an unknown service with a problem that names the nearest', async () => {
    const url = await startOn(stateOf([serviceOf('claims')]));
    const answer = await fetch(`${url}/v1/services/claim`);
    expect(answer.status).to.equal(404);
    expect(answer.headers.get('content-type')).to.equal('application/problem+json');
    expect(await answer.json()).to.deep.include({
      type: 'urn:mcpx:problem:not_found',
      status: 404,
      detail: 'There is no service claim. Did you mean claims?',
    });
  });

  it('says why a service that is registered wrongly is not in the fleet', async () => {
    const state = stateOf();
    const reason = 'version must be a semantic version such as 2.1.0.';
    state.problemsNow.set([problem('registration_invalid', { service: 'claims' }, reason)]);
    const answer = await fetch(`${await startOn(state)}/v1/services/claims`);
    expect(answer.status).to.equal(404);
    expect(await answer.text()).to.contain(reason);
  });

  it('registers: 201 with a location the first time, 200 after that', async () => {
    const url = await startOn(stateOf());
    const unusual = { ...claims, tls: { spiffe: 'spiffe://mcpx/claims' } };
    const first = await post(url, unusual);
    expect(first.status).to.equal(201);
    expect(first.headers.get('location')).to.equal('/v1/services/claims');
    const told = registered.parse(await first.json());
    expect(told.change).to.equal('added');
    expect(told.registration).to.include({ id: '127.0.0.1:3000', weight: 100 });
    expect(told.warnings.map(({ path }) => path)).to.deep.equal(['tls.spiffe']);
    const again = await post(url, unusual);
    expect(again.status).to.equal(200);
    expect(registered.parse(await again.json()).change).to.equal('unchanged');
    const other = await post(url, { ...claims, weight: 7 });
    expect(other.status).to.equal(200);
    expect(registered.parse(await other.json()).change).to.equal('replaced');
    expect((await fetch(`${url}/v1/services/claims`)).status).to.equal(200);
  });

  it('refuses what lacks a dependency, and the end of one that others have, with 409', async () => {
    const url = await startOn(stateOf());
    const lacking = await post(url, { ...claims, dependsOn: ['policy@^2'] });
    expect(lacking.status).to.equal(409);
    expect(await lacking.json()).to.deep.include({ type: 'urn:mcpx:problem:dependency_unmet' });
    await post(url, { name: 'policy', version: '2.0.0', url: 'http://127.0.0.1:3001/mcp' });
    expect((await post(url, { ...claims, dependsOn: ['policy@^2'] })).status).to.equal(201);
    for (const path of ['policy', 'policy/instances/127.0.0.1:3001']) {
      const gone = await fetch(`${url}/v1/services/${path}`, { method: 'DELETE' });
      expect(gone.status).to.equal(409);
      expect(await gone.text()).to.contain('claims@2.1.0 → policy@^2 (absent)');
    }
    const other = { name: 'policy', version: '3.0.0', url: 'http://127.0.0.1:3001/mcp' };
    const replaced = await post(url, other);
    expect(replaced.status).to.equal(409);
    expect(await replaced.text()).to.contain('policy@^2 (only 3.0.0)');
    for (const name of ['claims', 'policy']) {
      const gone = await fetch(`${url}/v1/services/${name}`, { method: 'DELETE' });
      expect(gone.status).to.equal(200);
    }
  });

  it('answers wrong fields with 422 and all of them at once, with paths', async () => {
    const url = await startOn(stateOf());
    const answer = await post(url, {
      name: 'Not A Label',
      version: 'two',
      url: 'http://192.0.2.1:80/mcp',
      traffic: { outlier: { interval: 'soon' } },
    });
    expect(answer.status).to.equal(422);
    const { problems } = (await answer.json()) as { problems: { code: string; path: string }[] };
    expect(problems.map(({ path }) => path)).to.have.members([
      'name',
      'version',
      'url',
      'traffic.outlier.interval',
    ]);
    const target = problems.find(({ path }) => path === 'url');
    expect(target?.code, 'it points where it must not').to.equal('target_refused');
    const others = problems.filter((each) => each !== target);
    expect(others.every(({ code }) => code === 'registration_invalid')).to.be.true;
  });

  it('refuses what would be a problem in the fleet: another path, a tool of another', async () => {
    const bare = { prefix: false, tools: ['*'] };
    const policy = serviceOf('policy', { expose: bare });
    const url = await startOn(stateOf([serviceOf('claims'), policy]));
    const path = await post(url, { ...claims, url: 'http://127.0.0.1:3009/elsewhere' });
    expect(path.status).to.equal(409);
    expect(await path.text()).to.contain('registration_conflict');
    const name = await post(url, { ...claims, expose: bare });
    expect(name.status).to.equal(409);
    expect(await name.text()).to.contain('claims exposes the same name');
    expect((await post(url, claims)).status).to.equal(201);
  });

  it('asks no server what it offers where registrations must not point', async () => {
    const asked: string[] = [];
    const state = stateOf();
    const ask: typeof state.ask = ({ host }) => {
      asked.push(host);
      return Promise.resolve(undefined);
    };
    const url = await startOn({ ...state, ask });
    const bare = { ...claims, expose: { prefix: false, tools: ['*'] } };
    await post(url, { ...bare, url: 'http://169.254.169.254/latest/meta-data' });
    await post(url, { ...bare, url: 'http://10.0.0.7:3000/mcp' });
    expect(asked).to.deep.equal(['10.0.0.7']);
  });

  it('answers a lost race with 409 and a registry that is away with 503', async () => {
    const state = stateOf();
    const url = await startOn(state);
    state.registry.refusal = problem('write_conflict', {}, 'Somebody changed it. Try again.');
    expect((await post(url, claims)).status).to.equal(409);
    state.registry.refusal = new Error('connect ECONNREFUSED');
    const away = await post(url, claims);
    expect(away.status).to.equal(503);
    expect(await away.text()).to.contain('connect ECONNREFUSED');
  });

  it('removes a service, or one of its instances', async () => {
    const url = await startOn(stateOf());
    const remove = (path: string) => fetch(`${url}${path}`, { method: 'DELETE' });
    await post(url, claims);
    const one = await remove('/v1/services/claims/instances/127.0.0.1%3A3000');
    expect(await one.json()).to.deep.equal({ removed: ['127.0.0.1:3000'] });
    await post(url, claims);
    const all = await remove('/v1/services/claims');
    expect(all.status).to.equal(200);
    expect((await remove('/v1/services/claims')).status).to.equal(404);
  });

  it('says where a service can be removed that another registry holds', async () => {
    const [instance] = serviceOf('claims').instances;
    const held = serviceOf('claims', { instances: [{ ...instance!, source: 'consul' }] });
    const url = await startOn(stateOf([held]));
    const answer = await fetch(`${url}/v1/services/claims`, { method: 'DELETE' });
    expect(answer.status).to.equal(404);
    expect(await answer.text()).to.contain('claims is registered in consul');
  });
});
