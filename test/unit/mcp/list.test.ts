import { expect } from 'chai';
import type { ExposedService } from '../../../src/fleet/exposed.js';
import { readBody } from '../../../src/mcp/body.js';
import { offerOf } from '../../../src/mcp/offer.js';
import { answerList } from '../../../src/mcp/list.js';
import { service as serviceOf } from './stage.js';

const service = (name: string, count: number, more: Partial<ExposedService> = {}) =>
  serviceOf(name, ['legacy', 'modern'], {
    tools: Array.from({ length: count }, (_, index) => ({
      name: `${name}__t${index}`,
      tool: `t${index}`,
      definition: { name: `t${index}`, inputSchema: { type: 'object' } },
    })),
    ...more,
  });

const mapOf = (...services: readonly ExposedService[]) =>
  new Map(services.map((each) => [each.name, each]));

interface Page {
  readonly tools: readonly { readonly name: string }[];
  readonly nextCursor?: string;
  readonly ttlMs?: number;
  readonly resultType?: string;
  readonly cacheScope?: string;
  readonly _meta?: { readonly 'mcpx/missing': readonly { service: string; reason: string }[] };
}

function list(
  services: ReadonlyMap<string, ExposedService>,
  era: 'legacy' | 'modern',
  cursor?: unknown,
): { result?: Page; error?: { code: number } } {
  const params = cursor === undefined ? {} : { cursor };
  const read = readBody(Buffer.from('{}'));
  if (read.kind !== 'object') throw new Error(read.kind);
  const request = { method: 'tools/list', params, idText: '1', body: read.body };
  return JSON.parse(answerList(request, 'tools', era, offerOf(services)).body) as ReturnType<
    typeof list
  >;
}

function allPages(services: ReadonlyMap<string, ExposedService>): string[] {
  const names: string[] = [];
  let cursor: string | undefined;
  do {
    const { result } = list(services, 'legacy', cursor);
    names.push(...(result?.tools ?? []).map(({ name }) => name));
    cursor = result?.nextCursor;
  } while (cursor !== undefined);
  return names;
}

describe('tools/list', () => {
  it('gives every tool of every service of the era once, sorted, over all pages', () => {
    const services = mapOf(service('b', 1_500), service('a', 1_100), service('c', 1));
    const names = allPages(services);
    expect(names).to.have.length(2_601);
    expect(names).to.deep.equal([...new Set(names)].sort());
  });

  it('does not depend on the order in which services were heard of', () => {
    const [a, b] = [service('a', 3), service('b', 3)];
    expect(allPages(mapOf(a, b))).to.deep.equal(allPages(mapOf(b, a)));
  });

  it('goes on after the last name seen when the catalogue changes between two pages', () => {
    const before = mapOf(service('a', 1_200));
    const first = list(before, 'legacy').result;
    const last = first?.tools.at(-1)?.name ?? '';
    const after = mapOf(service('A', 10), service('a', 1_200), service('z', 1));
    const second = list(after, 'legacy', first?.nextCursor).result?.tools ?? [];
    expect(second).to.have.length(201);
    expect(second.every(({ name }) => name > last)).to.equal(true);
  });

  it('answers a cursor that is none of its own with -32602', () => {
    for (const cursor of ['', 'nonsense', 7, null])
      expect(list(mapOf(service('a', 1)), 'legacy', cursor).error?.code).to.equal(-32602);
  });

  it('says who is missing and why, and lets nobody keep such a list', () => {
    const services = mapOf(
      service('away', 2, { missing: 'it cannot be reached' }),
      service('old', 1, { eras: ['legacy'] }),
      service('well', 1),
    );
    const modern = list(services, 'modern').result;
    expect(modern?._meta?.['mcpx/missing']).to.deep.equal([
      { service: 'away', reason: 'it cannot be reached' },
      { service: 'old', reason: 'it speaks only MCP revisions before 2026-07-28' },
    ]);
    expect(modern?.ttlMs).to.equal(0);
    expect(modern?.tools.map(({ name }) => name)).to.deep.equal([
      'away__t0',
      'away__t1',
      'well__t0',
    ]);
  });

  it('is complete, private and dated in the modern era, and bare in the legacy one', () => {
    const services = mapOf(service('a', 1));
    const modern = list(services, 'modern').result;
    expect(modern).to.include({ resultType: 'complete', cacheScope: 'private' });
    expect(modern?.ttlMs).to.be.above(0);
    expect(list(services, 'legacy').result).to.have.all.keys('tools');
  });

  it('gives a name that two services claim to the first of them', () => {
    const tool = { name: 'run', tool: 'run', definition: { name: 'run' } };
    const services = mapOf(service('b', 0, { tools: [tool] }), service('a', 0, { tools: [tool] }));
    expect(list(services, 'legacy').result?.tools).to.have.length(1);
    expect(offerOf(services).owners.tools.get('run')?.service.name).to.equal('a');
  });
});
