import { expect } from 'chai';
import { createMetrics } from '../../../src/metrics.js';
import { Nodes, type Identity } from '../../../src/xds/nodes.js';

const identity = (id: string): Identity => ({
  id,
  cluster: 'edge',
  version: '1.40.0',
  role: 'edge',
  address: '127.0.0.1:5',
});
const status = {
  acknowledged: 'v1',
  held: 3,
  wildcard: true,
  inFlight: false,
  settled: true,
  refused: [] as readonly string[],
};

describe('nodes', () => {
  let nodes: Nodes;
  let now: number;
  const metrics = createMetrics();

  beforeEach(() => {
    now = 100;
    nodes = new Nodes(metrics, { now: () => now });
  });

  it('lists who is connected, since when, sorted by id', () => {
    nodes.join(identity('b'));
    now = 200;
    nodes.join(identity('a'));
    const listed = nodes.list().map(({ id, connectedSince }) => [id, connectedSince]);
    expect(listed).to.deep.equal([
      ['a', 200],
      ['b', 100],
    ]);
  });

  it('counts the connected in a gauge and forgets who left (point 43)', async () => {
    const node = nodes.join(identity('a'));
    expect(await metrics.text()).to.match(/^mcpx_nodes 1$/m);
    nodes.leave(node);
    expect(nodes.list()).to.be.empty;
    expect(await metrics.text()).to.match(/^mcpx_nodes 0$/m);
  });

  it('tells subscribers of every change', () => {
    const seen: number[] = [];
    nodes.revision.subscribe((revision) => seen.push(revision));
    const node = nodes.join(identity('a'));
    node.report('cluster', status);
    nodes.leave(node);
    expect(seen).to.have.length(4);
    expect(new Set(seen)).to.have.length(4);
  });

  it('keeps the last refusal with names, time and the words of Envoy (point 27)', () => {
    const node = nodes.join(identity('a'));
    now = 300;
    node.refuse('cluster', ['claims'], 'no such extension');
    node.report('cluster', { ...status, refused: ['claims'] });
    const [listed] = nodes.list();
    expect(listed?.lastRefusal).to.deep.equal({
      kind: 'cluster',
      names: ['claims'],
      message: 'no such extension',
      at: 300,
    });
  });

  it('makes a problem of each refused resource, until it is mended (points 27, 28)', () => {
    const node = nodes.join(identity('a'));
    node.refuse('cluster', ['claims'], 'no such extension');
    node.report('cluster', { ...status, refused: ['claims'] });
    const [problem, ...more] = nodes.problems();
    expect(more).to.be.empty;
    expect(problem?.code).to.equal('resource_refused');
    expect(problem?.subject).to.deep.equal({ node: 'a', path: 'cluster.claims' });
    expect(problem?.message).to.contain('no such extension');
    node.report('cluster', status);
    expect(nodes.problems()).to.be.empty;
  });
});
