import { expect } from 'chai';
import { createMetrics, type Metrics } from '../../../src/metrics.js';
import { Nodes, type Held, type Identity } from '../../../src/xds/nodes.js';

const nothing: Held = {
  ...{ kinds: () => ({}), resource: () => undefined, awaits: () => false },
  ...{ count: 0, behindSince: undefined },
};
const identity = (id: string, role: Identity['role'] = 'edge'): Identity => ({
  ...{ id, role, cluster: 'mcpx', version: '1.40.0', address: '127.0.0.1:5' },
});
/** Of a life of 100 s, from then on. */
const peer = (notBefore: number) => ({
  ...{ id: 'spiffe://mcpx/edge', notBefore, expiresAt: notBefore + 100_000 },
});

describe('certificates of nodes', () => {
  let nodes: Nodes;
  let metrics: Metrics;
  let now: number;

  beforeEach(() => {
    now = 0;
    metrics = createMetrics();
    nodes = new Nodes(metrics, { now: () => now });
  });

  const joinAt = (at: number, whom = identity('a'), shown = peer(0)) => {
    now = at;
    return nodes.join(whom, nothing, shown);
  };
  const late = () => nodes.problems().map(({ subject }) => subject.node);
  const expires = async () =>
    /^mcpx_node_certificate_expires_seconds\{node="a"\} (\d+)$/m.exec(await metrics.text())?.[1];

  it('are late where they ought to have been renewed before they were shown', () => {
    joinAt(61_000);
    expect(nodes.list()[0]?.certificate).to.deep.equal({ expiresAt: 100_000, late: true });
    expect(nodes.problems()).to.have.length(1);
    expect(nodes.problems()[0]).to.deep.include({
      ...{ code: 'certificate_unavailable', severity: 'error', subject: { node: 'a' } },
    });
    expect(nodes.problems()[0]?.message)
      .to.contain('Envoy "a"')
      .and.contain('1970-01-01T00:01:40.000Z')
      .and.contain('`mcpx join`')
      .and.contain('token');
  });

  it('are not late because a stream goes on since a time when they were not', () => {
    joinAt(59_000);
    now = 95_000;
    expect(nodes.list()[0]?.certificate?.late).to.equal(false);
    expect(late()).to.deep.equal([]);
  });

  it('are not there without TLS', async () => {
    now = 99_000;
    nodes.join(identity('a'), nothing);
    expect(nodes.list()[0]?.certificate).to.equal(undefined);
    expect(late()).to.deep.equal([]);
    expect(await expires()).to.equal(undefined);
  });

  it('count as the newest stream of a node shows them, whichever leaves', async () => {
    const before = joinAt(70_000);
    const after = joinAt(71_000, identity('a'), peer(70_000));
    expect(late(), 'it has renewed').to.deep.equal([]);
    expect(await expires()).to.equal('170');
    nodes.leave(before);
    expect(await expires()).to.equal('170');
    nodes.leave(after);
    expect(await expires(), 'it has left').to.equal(undefined);
  });

  it('of another node of the same id are told too, and the next to end is measured', async () => {
    joinAt(70_000, identity('a', 'sidecar/claims'));
    joinAt(71_000, identity('a'), peer(70_000));
    expect(late()).to.deep.equal(['a']);
    expect(await expires()).to.equal('100');
  });
});
