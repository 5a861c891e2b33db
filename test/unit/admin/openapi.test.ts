import { expect } from 'chai';
import { z } from 'zod';
import { problem } from '../../../src/errors.js';
import { components, node, nodeList, problemList, toolList } from '../../../src/admin/schemas.js';
import { nodeOf, refusingNode, serviceOf, startOn, stateOf, stopAll } from './stage.js';

const operation = z.object({
  requestBody: z.unknown().optional(),
  responses: z.record(z.string(), z.object({ content: z.record(z.string(), z.unknown()) })),
});
const description = z.object({
  openapi: z.literal('3.1.0'),
  paths: z.record(z.string(), z.record(z.string(), operation)),
  components: z.object({ schemas: z.record(z.string(), z.looseObject({})) }),
});

const registration = { name: 'claims', version: '1.0.0', url: 'http://127.0.0.1:3000/mcp' };

/** A path with something in place of its parameters that is there. */
const filled = (path: string) =>
  path
    .replace('{name}', 'claims')
    .replace('{source}', 'file')
    .replace('/nodes/{id}', '/nodes/edge-1')
    .replace('{id}', '127.0.0.1:3000');

function staged() {
  const state = stateOf([serviceOf('claims')]);
  state.nodesNow.set([nodeOf('edge-1')]);
  return state;
}

describe('/openapi.json', () => {
  afterEach(stopAll);

  it('describes every path of the API, and each answers as described', async () => {
    const url = await startOn(staged());
    const told = description.parse(await (await fetch(`${url}/openapi.json`)).json());
    expect(Object.keys(told.paths)).to.have.members([
      '/',
      '/v1/services',
      '/v1/services/{name}',
      '/v1/services/{name}/instances/{id}',
      '/v1/services/{name}/rollout',
      '/v1/services/{name}/rollout/{action}',
      '/v1/services/{name}/rollouts',
      '/v1/tools',
      '/v1/problems',
      '/v1/nodes',
      '/v1/nodes/{id}',
      '/v1/registries',
      '/v1/registries/{source}/accept',
      '/v1/plan',
      '/v1/certificates',
      '/v1/certificates/people',
      '/v1/certificates/rotate',
      '/v1/audit',
      '/v1/join-tokens',
      '/v1/exposed',
      '/healthz',
      '/readyz',
      '/metrics',
      '/openapi.json',
    ]);
    const rows = Object.entries(told.paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, row]) => ({ path, method, row })),
    );
    const order = ['get', 'post', 'delete'];
    rows.sort((a, b) => order.indexOf(a.method) - order.indexOf(b.method));
    for (const { path, method, row } of rows) {
      const body = row.requestBody ? { body: JSON.stringify(registration) } : {};
      const headers = { 'content-type': 'application/json' };
      const init = { method: method.toUpperCase(), headers, ...body };
      const answer = await fetch(`${url}${filled(path)}`, init);
      const described = row.responses[String(answer.status)];
      expect(described, `${method} ${path}: ${answer.status}`).not.to.equal(undefined);
      const type = answer.headers.get('content-type')?.split(';')[0] ?? '';
      expect(Object.keys(described?.content ?? {}), `${method} ${path}`).to.include(type);
    }
  });

  it('shows the fields of a registration as the registry reads them', async () => {
    const url = await startOn(stateOf());
    const told = description.parse(await (await fetch(`${url}/openapi.json`)).json());
    const { Registration } = told.components.schemas;
    expect(Registration).to.have.nested.property('properties.traffic.properties.outlier');
    expect(Registration?.['required']).to.deep.equal(['name', 'version', 'url']);
  });

  it('holds every schema that it refers to', async () => {
    const url = await startOn(stateOf());
    const text = await (await fetch(`${url}/openapi.json`)).text();
    const { schemas } = description.parse(JSON.parse(text)).components;
    for (const [, id = ''] of text.matchAll(/"#\/components\/schemas\/(\w+)"/g))
      expect(schemas, id).to.have.property(id);
    expect(components.has(node)).to.be.true;
  });
});

describe('what the admin API lists', () => {
  afterEach(stopAll);

  it('tools: what agents call, of which service, and whose are missing', async () => {
    const state = stateOf([serviceOf('claims'), serviceOf('policy', { probe: undefined })]);
    const url = await startOn(state);
    expect(toolList.parse(await (await fetch(`${url}/v1/tools`)).json())).to.deep.equal({
      tools: [
        {
          name: 'claims__look',
          tool: 'look',
          title: 'Look',
          description: 'Looks at a thing',
          service: 'claims',
          eras: ['modern', 'legacy'],
        },
      ],
      missing: [{ service: 'policy', reason: 'it has not been asked yet' }],
    });
  });

  it('nodes: what each holds, and the words with which it refused', async () => {
    const state = staged();
    state.nodesNow.set([nodeOf('edge-1'), refusingNode('edge-2')]);
    const url = await startOn(state);
    const { nodes } = nodeList.parse(await (await fetch(`${url}/v1/nodes`)).json());
    expect(nodes.map(({ inSync }) => inSync)).to.deep.equal([true, false]);
    const one = node.parse(await (await fetch(`${url}/v1/nodes/edge-2`)).json());
    expect(one.kinds['listener']?.refused).to.deep.equal(['edge']);
    expect(one.lastRefusal).to.deep.equal({
      kind: 'listener',
      names: ['edge'],
      message: 'no such filter',
      at: '1970-01-01T00:00:00.000Z',
    });
    expect((await fetch(`${url}/v1/nodes/edge-3`)).status).to.equal(404);
  });

  it('nodes: when the certificate of each ends, and whether it is late', async () => {
    const state = staged();
    const certificate = { expiresAt: 86_400_000, late: true };
    state.nodesNow.set([nodeOf('edge-1', { certificate }), nodeOf('edge-2')]);
    const url = await startOn(state);
    const { nodes } = nodeList.parse(await (await fetch(`${url}/v1/nodes`)).json());
    expect(nodes.map((each) => each.certificate)).to.deep.equal([
      { expiresAt: '1970-01-02T00:00:00.000Z', late: true },
      undefined,
    ]);
  });

  it('problems: each with its code, path and who must act', async () => {
    const state = stateOf();
    const subject = { source: 'file', service: 'claims', path: 'version' };
    state.problemsNow.set([problem('registration_invalid', subject, 'version must be semver.')]);
    const url = await startOn(state);
    const { problems } = problemList.parse(await (await fetch(`${url}/v1/problems`)).json());
    expect(problems[0]).to.include({ path: 'version', actor: 'server owner' });
  });
});

describe('the page', () => {
  afterEach(stopAll);

  it('shows services, nodes and problems, every text escaped, and runs nothing', async () => {
    const state = staged();
    state.problemsNow.set([problem('server_not_mcp', {}, '<script>alert(1)</script> & more')]);
    const answer = await fetch(await startOn(state));
    expect(answer.headers.get('content-security-policy')).to.contain("default-src 'none'");
    const text = await answer.text();
    expect(text).to.contain('/v1/services/claims').and.contain('edge-1');
    expect(text).not.to.contain('<script');
    expect(text).to.contain('&#60;script&#62;');
  });
});
