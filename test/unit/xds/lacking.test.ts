import { expect } from 'chai';
import { createMetrics } from '../../../src/metrics.js';
import type { Resource } from '../../../src/snapshot/snapshot.js';
import { Nodes, type Held, type Identity } from '../../../src/xds/nodes.js';

const resource = (version: string): Resource => ({
  ...{ name: 'claims', version, bytes: Buffer.from(version) },
});
const identity = (id: string, role: Identity['role'] = 'edge'): Identity => ({
  ...{ id, role, cluster: 'mcpx', version: '1.40.0', address: '127.0.0.1:5' },
});
const holding = (version: string | undefined): Held => ({
  ...{ kinds: () => ({}), awaits: () => false, count: 1, behindSince: undefined },
  resource: () => (version === undefined ? undefined : resource(version)),
});

describe('who lacks a form of a resource', () => {
  let nodes: Nodes;
  beforeEach(() => {
    nodes = new Nodes(createMetrics(), { now: () => 0 });
  });

  const lacking = () => nodes.lacking('edge', 'endpoint', resource('v2'));

  it('is every node that holds another form of it, or none', () => {
    nodes.join(identity('has-it'), holding('v2'));
    nodes.join(identity('has-the-old'), holding('v1'));
    nodes.join(identity('has-none'), holding(undefined));
    expect(lacking()).to.deep.equal([
      { node: 'has-the-old', refused: false },
      { node: 'has-none', refused: false },
    ]);
  });

  it('is no node of another audience', () => {
    nodes.join(identity('side', 'sidecar/claims'), holding('v1'));
    expect(lacking()).to.deep.equal([]);
  });

  it('and refused it: each that did so, and all once it is known to be refused', () => {
    const refusing = nodes.join(identity('refusing'), holding('v1'));
    expect(lacking()).to.deep.equal([{ node: 'refusing', refused: false }]);
    refusing.refuse('endpoint', new Map([['claims', resource('v2')]]), 'no');
    nodes.join(identity('late'), holding('v1'));
    expect(lacking()).to.deep.equal([
      { node: 'refusing', refused: true },
      { node: 'late', refused: true },
    ]);
  });
});
