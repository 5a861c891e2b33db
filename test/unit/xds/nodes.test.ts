import { expect } from 'chai';
import { createMetrics } from '../../../src/metrics.js';
import { Nodes, type Held, type Identity } from '../../../src/xds/nodes.js';

const identity = (id: string): Identity => ({
  id,
  cluster: 'edge',
  version: '1.40.0',
  role: 'edge',
  address: '127.0.0.1:5',
});
const nothing: Held = {
  kinds: () => ({}),
  resource: () => undefined,
  awaits: () => false,
  count: 0,
  behindSince: undefined,
};
const contentOf = (...names: readonly string[]) =>
  new Map(names.map((name) => [name, { name, version: 'v1', bytes: Buffer.from(name) }]));
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
    nodes.join(identity('b'), nothing);
    now = 200;
    nodes.join(identity('a'), nothing);
    const listed = nodes.list().map(({ id, connectedSince }) => [id, connectedSince]);
    expect(listed).to.deep.equal([
      ['a', 200],
      ['b', 100],
    ]);
  });

  it('counts the connected in a gauge and forgets who left (point 43)', async () => {
    const node = nodes.join(identity('a'), nothing);
    expect(await metrics.text()).to.match(/^mcpx_nodes 1$/m);
    nodes.leave(node);
    expect(nodes.list()).to.be.empty;
    expect(await metrics.text()).to.match(/^mcpx_nodes 0$/m);
  });

  it('tells subscribers of every change', () => {
    const seen: number[] = [];
    nodes.revision.subscribe((revision) => seen.push(revision));
    const node = nodes.join(identity('a'), nothing);
    node.touch();
    nodes.leave(node);
    expect(seen).to.have.length(4);
    expect(new Set(seen)).to.have.length(4);
  });

  it('counts the streams of a node as they are, not as they were (point 40)', () => {
    const both = [identity('a'), identity('a')].map((each) => nodes.join(each, nothing));
    expect(nodes.streamsOf(identity('a'))).to.equal(2);
    const sidecar = { id: 'a', role: 'sidecar/claims' } as const;
    expect(nodes.streamsOf(sidecar), 'nor those of another role').to.equal(0);
    for (const node of [...both, ...both]) nodes.leave(node);
    expect(nodes.streamsOf(identity('a'))).to.equal(0);
    expect(nodes.streamsOf(identity('never seen'))).to.equal(0);
  });

  it('keeps the last refusal with names, time and the words of Envoy (point 27)', () => {
    const node = nodes.join(identity('a'), nothing);
    now = 300;
    node.refuse('cluster', contentOf('claims'), 'no such extension');
    const [listed] = nodes.list();
    expect(listed?.lastRefusal).to.deep.equal({
      kind: 'cluster',
      names: ['claims'],
      message: 'no such extension',
      at: 300,
    });
  });

  it('tells for how long a node has been behind, in ms', () => {
    let behindSince: number | undefined = 250;
    const held = Object.defineProperty({ ...nothing }, 'behindSince', { get: () => behindSince });
    nodes.join(identity('a'), held);
    now = 900;
    expect(nodes.list()[0]?.lagMs).to.equal(650);
    now = 250;
    expect(nodes.list()[0]?.lagMs, 'it is behind from the first moment').to.equal(1);
    behindSince = undefined;
    expect(nodes.list()[0]?.lagMs).to.equal(0);
  });

  it('makes a problem of each refused resource, until it is mended (points 27, 28)', () => {
    let refused: readonly string[] = ['claims'];
    const node = nodes.join(identity('a'), {
      ...nothing,
      kinds: () => ({ cluster: { ...status, refused } }),
    });
    node.refuse('cluster', contentOf('claims'), 'no such extension');
    const [problem, ...more] = nodes.problems();
    expect(more).to.be.empty;
    expect(problem?.code).to.equal('resource_refused');
    expect(problem?.subject).to.deep.equal({
      service: 'claims',
      node: 'a',
      path: 'cluster.claims',
    });
    expect(problem?.message).to.contain('no such extension');
    refused = [];
    expect(nodes.problems()).to.be.empty;
  });
});
