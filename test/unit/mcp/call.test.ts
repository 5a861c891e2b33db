import { expect } from 'chai';
import type { ExposedService } from '../../../src/fleet/exposed.js';
import { readBody } from '../../../src/mcp/body.js';
import { routeCall } from '../../../src/mcp/call.js';
import { offerOf } from '../../../src/mcp/offer.js';
import { service } from './stage.js';

const prompt = (name: string, own: string) => ({ name, prompt: own, definition: { name: own } });
const both = ['modern', 'legacy'] as const;

const services = [
  service('claims', both, {
    prompts: [prompt('claims__file', 'file')],
    resources: [{ uri: 'claim://1' }, { uri: 'shared://x' }],
    resourceTemplates: [{ uriTemplate: 'claim://{id}' }, { uriTemplate: '{+anything}' }],
  }),
  service('vessels', both, {
    prompts: [prompt('vessels__track', 'track')],
    resources: [{ uri: 'shared://x' }],
    resourceTemplates: [{ uriTemplate: 'vessel://{imo}' }, { uriTemplate: 'claim://{id}' }],
  }),
  service('old', ['legacy'], { resources: [{ uri: 'old://1' }] }),
  // Claims the name that is the prefix of another.
  service('aggressor', both, {
    prompts: [prompt('vessels__track', 'vessels__track')],
  }),
];
const mapOf = (all: readonly ExposedService[]) => new Map(all.map((each) => [each.name, each]));

function route(method: string, params: object, era: 'modern' | 'legacy' = 'modern') {
  const text = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const read = readBody(Buffer.from(text));
  if (read.kind !== 'object') throw new Error(read.kind);
  const request = { method, params: { ...params }, idText: '1', body: read.body };
  return routeCall(request, era, offerOf(mapOf(services)));
}

function routed(...asked: Parameters<typeof route>) {
  const call = route(...asked);
  if (call?.kind !== 'routed') throw new Error(JSON.stringify(call));
  const { params } = JSON.parse(call.body.toString()) as { params: Record<string, unknown> };
  return { service: call.service.name, headers: call.headers, params };
}

function refusal(...asked: Parameters<typeof route>) {
  const call = route(...asked);
  if (call?.kind !== 'refused') throw new Error(JSON.stringify(call));
  return (JSON.parse(call.answer.body) as { error: { code: number; data?: unknown } }).error;
}

describe('routing a request to its service', () => {
  it('finds a prompt by its exposed name, in its header too', () => {
    const { service: name, headers, params } = routed('prompts/get', { name: 'vessels__track' });
    expect(name).to.equal('vessels');
    expect(params['name']).to.equal('track');
    expect(headers).to.deep.equal({ 'x-mcpx-cluster': 'vessels', 'mcp-name': 'track' });
    expect(refusal('prompts/get', { name: 'vessels__trac' }).code).to.equal(-32602);
  });

  it('finds a resource by its URI, else by the template that says most of it', () => {
    const owner = (uri: string) => routed('resources/read', { uri }).service;
    expect(owner('claim://1')).to.equal('claims');
    expect(owner('claim://77')).to.equal('claims');
    expect(owner('shared://x')).to.equal('claims');
    expect(owner('vessel://9')).to.equal('vessels');
    expect(owner('else://where')).to.equal('claims');
    const { headers, params } = routed('resources/read', { uri: 'vessel://9' });
    expect(headers).to.deep.equal({ 'x-mcpx-cluster': 'vessels' });
    expect(params).to.deep.equal({ uri: 'vessel://9' });
  });

  it('refuses an unknown resource with the code of the era and its URI', () => {
    const found = offerOf(mapOf(services.slice(1)));
    expect(found.owners.resources.has('claim://1')).to.equal(false);
    const read = readBody(Buffer.from('{}'));
    if (read.kind !== 'object') throw new Error(read.kind);
    const uri = 'nobody://1';
    const request = { method: 'resources/read', params: { uri }, idText: '1', body: read.body };
    for (const [era, code] of [
      ['modern', -32602],
      ['legacy', -32002],
    ] as const) {
      const call = routeCall(request, era, found);
      const { error } = JSON.parse(call?.kind === 'refused' ? call.answer.body : '{}') as {
        error: object;
      };
      expect(error).to.include({ code });
      expect(error).to.have.deep.property('data', { uri });
    }
  });

  it('says which era the owner of a resource speaks', () => {
    expect(refusal('resources/read', { uri: 'old://1' }).code).to.equal(-31001);
    expect(routed('resources/read', { uri: 'old://1' }, 'legacy').service).to.equal('old');
  });

  it('finds what a completion is about, and rewrites only the name of its prompt', () => {
    const argument = { name: 'name', value: 'vessels__track' };
    const about = { ref: { type: 'ref/prompt', name: 'vessels__track' }, argument };
    const { service: name, params } = routed('completion/complete', about);
    expect(name).to.equal('vessels');
    expect(params).to.deep.equal({ ref: { type: 'ref/prompt', name: 'track' }, argument });
    const template = { ref: { type: 'ref/resource', uri: 'vessel://{imo}' }, argument };
    expect(routed('completion/complete', template).service).to.equal('vessels');
    for (const ref of [{}, { type: 'ref/resource', uri: 'x' }, { type: 'ref/prompt', name: 'x' }])
      expect(refusal('completion/complete', { ref, argument }).code).to.equal(-32602);
  });

  it('takes subscriptions to one resource from legacy clients only', () => {
    expect(routed('resources/subscribe', { uri: 'claim://1' }, 'legacy').service).to.equal(
      'claims',
    );
    expect(route('resources/subscribe', { uri: 'claim://1' }, 'modern')).to.equal(undefined);
    expect(route('tasks/get', {}, 'modern')).to.equal(undefined);
  });
});
