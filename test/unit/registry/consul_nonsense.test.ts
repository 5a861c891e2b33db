import { expect } from 'chai';
import { silentLog } from '../../../src/log.js';
import { createConsulRegistry } from '../../../src/registry/consul.js';
import type { Registry } from '../../../src/registry/registry.js';
import { startConsulApi, type ConsulAnswer, type ConsulApi } from './consul_api.js';
import { anyTarget, holds, watching } from './watching.js';

const catalogue = '/v1/catalog/services';
const claims = '/v1/health/service/claims';

function health(id: string, port: number) {
  return {
    Node: { Node: 'node', Address: '10.0.0.1' },
    Service: {
      ...{ ID: id, Service: 'claims', Address: '10.0.0.7', Port: port, Tags: ['mcp'] },
      Meta: { 'mcp-version': '1.0.0' },
    },
    Checks: [{ Status: 'passing' }],
  };
}

const nonsense: readonly (readonly [what: string, answer: ConsulAnswer, reason: RegExp])[] = [
  ['a page of HTML', { body: '<html>proxy</html>' }, /not one of its own/],
  ['a list', { body: [1, 2] }, /not one of its own/],
  ['400', { status: 400, body: 'bad request' }, /bad request/i],
  ['403', { status: 403, body: 'Permission denied' }, /Permission denied/],
  ['500', { status: 500, body: 'rpc error: No cluster leader' }, /No cluster leader/],
  ['a long page and 502', { status: 502, body: 'x'.repeat(100_000) }, /bad gateway: x{200}$/i],
  ['no index', { body: {}, index: '' }, /not one of its own/],
  ['an index that is no number', { body: {}, index: 'NaN' }, /not one of its own/],
  ['index 0', { body: {}, index: '0' }, /index 0/],
  ['that it has no leader', { body: {}, leader: false }, /no leader/],
  ['an index that went backwards', { body: {}, index: '3', hasty: true }, /backwards/],
];

describe('a Consul that answers nonsense', () => {
  let api: ConsulApi;
  let open: Registry | undefined;

  beforeEach(async () => {
    api = await startConsulApi();
  });
  afterEach(async () => {
    await open?.close();
    await api.close();
  });

  function registry(): Registry {
    const { address } = api;
    const options = { address, token: '', datacenter: '', allowedTargets: anyTarget };
    return (open = createConsulRegistry({ ...options, log: silentLog }));
  }

  for (const [what, answer, reason] of nonsense)
    it(`is lost, and its last report stays, when it answers ${what}`, async () => {
      api.answer(catalogue, { body: { claims: ['mcp'] } });
      api.answer(claims, { body: [health('one', 3000)] });
      const seen = watching(registry());
      await seen.report(holds('one'));
      await seen.hearing.when(({ state }) => state === 'heard');
      api.answer(catalogue, answer);
      const lost = await seen.hearing.when(({ state }) => state === 'lost');
      expect(lost.state === 'lost' && lost.reason).to.match(reason);
      expect(seen.reports).to.have.length(1);
      api.answer(claims, { body: [health('two', 3001)], index: '9' });
      api.answer(catalogue, { body: { claims: ['mcp'] }, index: '9' });
      await seen.report(holds('two'));
      await seen.hearing.when(({ state }) => state === 'heard');
    });

  it('is heard again after its index went backwards, with what it holds now', async () => {
    api.answer(catalogue, { body: { claims: ['mcp'] }, index: '900' });
    api.answer(claims, { body: [health('one', 3000)], index: '900' });
    const seen = watching(registry());
    await seen.report(holds('one'));
    api.answer(claims, { body: [health('two', 3001)], index: '5' });
    api.answer(catalogue, { body: { claims: ['mcp'] }, index: '5' });
    await seen.hearing.when(({ state }) => state === 'lost');
    await seen.report(holds('two'));
    await seen.hearing.when(({ state }) => state === 'heard');
  });

  it('is not asked without pause when it never blocks', async () => {
    api.answer(catalogue, { body: {}, hasty: true });
    const startedAt = performance.now();
    const seen = watching(registry());
    await seen.hearing.when(({ state }) => state === 'heard');
    const times = () => api.asked.get(catalogue) ?? 0;
    while (times() < 60) await new Promise(setImmediate);
    // 20 at once, then ever slower: the next 40 pause for 2, 4, 6 … 40 ms.
    expect(performance.now() - startedAt).to.be.greaterThan(300);
  });
});
