import { expect } from 'chai';
import type { Resource, ResourceKind } from '../../../src/snapshot/snapshot.js';
import { Refusals, type Form, type Witness } from '../../../src/xds/refusals.js';
import { Subscription } from '../../../src/xds/subscription.js';

const form = (name: string, version: string): Resource => ({
  ...{ name, version },
  bytes: Buffer.from(`${name} ${version}`),
});

/** What the room takes for bytes that are not known. */
const { bytes: unknown } = (() => {
  const subscription = new Subscription('cluster');
  const held = new Map([['claims', 'v1']]);
  subscription.change({ subscribe: [], unsubscribe: [], held }, undefined);
  return subscription.held.get('claims')!;
})();

class Node implements Witness {
  readonly held = new Map<string, Resource>();
  /** The versions that it is to answer for. */
  readonly asked = new Set<string>();
  credible = true;
  readonly identity;

  constructor(id: string, version = '1.40.0', role: 'edge' | 'sidecar/x' = 'edge') {
    this.identity = { id, version, role };
  }

  holding(_kind: ResourceKind, name: string): Resource | undefined {
    return this.held.get(name);
  }

  isAsked(_kind: ResourceKind, { version }: Form): boolean {
    return this.asked.has(version);
  }
}

describe('verdicts on what is refused', () => {
  let refusals: Refusals;
  let one: Node;
  let other: Node;
  let third: Node;
  const bad = form('claims', 'v2');
  const good = form('claims', 'v1');

  const refuse = (node: Node, resource = bad, message = 'no such thing') =>
    refuseAt(5, node, resource, message);
  const refuseAt = (at: number, node: Node, resource = bad, message = 'no such thing') => {
    node.asked.delete(resource.version);
    refusals.refused(node, { kind: 'cluster', resource, message, at }, [one, other, third]);
  };
  const accept = (node: Node, resource: Resource) => {
    node.asked.delete(resource.version);
    node.held.set(resource.name, resource);
    refusals.accepted(node, 'cluster', new Map([[resource.name, resource]]));
  };
  const convicted = () => refusals.convicted.value.map(({ name, version }) => `${name} ${version}`);

  beforeEach(() => {
    refusals = new Refusals();
    one = new Node('edge-1');
    other = new Node('edge-2');
    third = new Node('edge-3');
  });

  it('one refusal convicts, with who, why, and the last good form (point 29)', () => {
    one.held.set('claims', good);
    refuse(one);
    expect(refusals.convicted.value).to.deep.equal([
      {
        ...{ audience: 'edge', kind: 'cluster', name: 'claims', version: 'v2', good },
        ...{ nodes: ['edge-1'], envoys: ['1.40.0'], message: 'no such thing', at: 5 },
      },
    ]);
  });

  it('finds the last good form with another where the refusing one never had it', () => {
    other.held.set('claims', good);
    refuse(one);
    expect(refusals.convicted.value[0]?.good).to.equal(good);
  });

  it('what another holds is not convicted', () => {
    other.held.set('claims', bad);
    refuse(one);
    expect(convicted()).to.be.empty;
  });

  it('what another takes later is acquitted', () => {
    refuse(one);
    accept(other, form('claims', 'v3'));
    expect(convicted()).to.deep.equal(['claims v2']);
    accept(other, bad);
    expect(convicted()).to.be.empty;
  });

  it('the last good form is the one that was taken last', () => {
    one.held.set('claims', good);
    refuse(one);
    const better = form('claims', 'v3');
    accept(one, better);
    expect(refusals.convicted.value[0]?.good).to.equal(better);
  });

  it('a node that refuses more than it holds convicts nothing, until it is believed', () => {
    one.credible = false;
    refuse(one);
    expect(convicted()).to.be.empty;
    one.credible = true;
    accept(one, form('policy', 'v1'));
    expect(convicted()).to.deep.equal(['claims v2']);
  });

  describe('wait for those who are being asked as well', () => {
    beforeEach(() => {
      for (const node of [other, third]) node.asked.add(bad.version);
      refuse(one);
    });

    it('and one who takes it acquits', () => {
      expect(convicted()).to.be.empty;
      accept(other, bad);
      refuse(third);
      expect(convicted()).to.be.empty;
    });

    it('and are spoken when all have refused', () => {
      refuse(other);
      expect(convicted()).to.be.empty;
      refuse(third);
      expect(convicted()).to.deep.equal(['claims v2']);
      expect(refusals.verdicts[0]?.nodes).to.deep.equal(['edge-1', 'edge-2', 'edge-3']);
    });

    it('but not for those who leave', () => {
      refusals.left(third);
      expect(convicted()).to.be.empty;
      refusals.left(other);
      expect(convicted()).to.deep.equal(['claims v2']);
    });

    it('but not for those who are late', () => {
      refuse(other);
      third.asked.clear();
      refusals.review(0);
      expect(convicted()).to.deep.equal(['claims v2']);
    });

    it('but not for ever, whoever is asked', () => {
      refusals.review(4);
      expect(convicted()).to.be.empty;
      refusals.review(5);
      expect(convicted()).to.deep.equal(['claims v2']);
    });

    it('and who is asked later, or says it again, delays nothing', () => {
      refuseAt(20, one);
      refusals.review(5);
      expect(convicted()).to.deep.equal(['claims v2']);
    });

    it('and are forgotten where only one said so, who has left', () => {
      refusals.left(one);
      for (const node of [other, third]) refusals.left(node);
      expect(convicted()).to.be.empty;
    });
  });

  it('of another audience nobody is waited for', () => {
    other = new Node('sidecar-1', '1.40.0', 'sidecar/x');
    other.asked.add(bad.version);
    refuse(one);
    expect(convicted()).to.deep.equal(['claims v2']);
  });

  it('asks for nothing of those who come back while nothing is refused', () => {
    refusals.returning('edge', 'cluster', () => expect.fail('it is dear to make'));
  });

  it('forgets what only one said who was never believed, once it leaves', () => {
    one.credible = false;
    refuse(one);
    refusals.left(one);
    one.credible = true;
    accept(one, form('policy', 'v1'));
    expect(convicted()).to.be.empty;
  });

  it('a verdict outlives those who spoke', () => {
    refuse(one);
    refusals.left(one);
    refusals.joining(other.identity);
    expect(convicted()).to.deep.equal(['claims v2']);
  });

  it('convicts nothing whose older form others hold, when nobody can send that again', () => {
    other.held.set('claims', { ...good, bytes: unknown });
    refuse(one);
    expect(convicted(), 'it would be taken from them').to.be.empty;
    one.held.set('claims', good);
    refuse(one);
    expect(convicted()).to.deep.equal(['claims v2']);
  });

  for (const kind of ['cluster', 'endpoint'] as const)
    it(`takes nothing from a client that comes back with it: a ${kind} it holds`, () => {
      refuse(one);
      refusals.returning('edge', kind, () => new Map([['policy', 'v1']]));
      expect(convicted()).to.deep.equal(['claims v2']);
      refusals.returning('edge', kind, () => new Map([['claims', 'v1']]));
      expect(convicted()).to.be.empty;
    });

  describe('where nobody here holds a good form, an earlier one stands in', () => {
    const forms = ['v3', 'v2', 'v1'].map((version) => form('claims', version));
    const [worse] = forms as [Resource];
    const convictedAs = () =>
      refusals.convicted.value.map(({ version, good }) => [version, good?.version]);
    const bringsBack = (node: Node, version: string) =>
      node.held.set('claims', { ...form('claims', version), bytes: unknown });

    beforeEach(() => {
      refusals = new Refusals([], (_, { version }) =>
        forms.slice(forms.findIndex((each) => each.version === version) + 1),
      );
    });

    it('for an Envoy that starts', () => {
      refuse(one);
      expect(convictedAs()).to.deep.equal([['v2', 'v1']]);
    });

    it('and not where one who is connected holds another', () => {
      other.held.set('claims', form('claims', 'v0'));
      refuse(one);
      expect(convictedAs()).to.deep.equal([['v2', 'v0']]);
    });

    for (const version of ['v1', 'v0'])
      it(`also when the one that refuses has come back with ${version}`, () => {
        bringsBack(one, version);
        refuse(one);
        expect(convictedAs()).to.deep.equal([['v2', 'v1']]);
      });

    it('and it is the one that somebody came back with', () => {
      bringsBack(other, 'v1');
      refuse(one, worse);
      expect(convictedAs()).to.deep.equal([['v3', 'v1']]);
    });

    it('so that whoever comes back later is taken nothing, and the verdict stands', () => {
      refuse(one);
      refusals.returning('edge', 'cluster', () => new Map([['claims', 'v1']]));
      refusals.returning('edge', 'endpoint', () => new Map([['claims', '']]));
      expect(convictedAs()).to.deep.equal([['v2', 'v1']]);
    });

    it('and the one before, where that is refused as well', () => {
      refuse(one);
      refuse(one, worse);
      expect(convictedAs()).to.deep.equal([
        ['v2', 'v1'],
        ['v3', 'v1'],
      ]);
    });

    it('but of the earliest nothing is left that could', () => {
      bringsBack(other, 'v0');
      refuse(one, good);
      expect(convictedAs(), 'it would be taken from the other').to.be.empty;
    });
  });

  it('a client that comes back with the refused form acquits it, an older one does not', () => {
    one.held.set('claims', good);
    refuse(one);
    refusals.returning('edge', 'cluster', () => new Map([['claims', 'v1']]));
    expect(convicted()).to.deep.equal(['claims v2']);
    refusals.returning('edge', 'cluster', () => new Map([['claims', 'v2']]));
    expect(convicted()).to.be.empty;
  });

  it('an Envoy of another version may try', () => {
    refuse(one);
    refusals.joining({ ...other.identity, version: '1.41.0' });
    expect(convicted()).to.be.empty;
  });

  it('the refusals of one audience touch no other', () => {
    refuse(new Node('sidecar-1', '1.40.0', 'sidecar/x'));
    refusals.joining({ ...one.identity, version: '1.41.0' });
    expect(refusals.convicted.value.map(({ audience }) => audience)).to.deep.equal(['sidecar/x']);
  });

  it('a port that is taken says nothing of the bytes', () => {
    refuse(one, bad, "error adding listener: cannot bind '0.0.0.0:80': Address already in use");
    expect(convicted()).to.be.empty;
  });

  it('many who say the same are counted, and are no news', () => {
    let news = -1;
    refusals.convicted.subscribe(() => (news += 1));
    refuse(one);
    refuse(other);
    expect(news).to.equal(1);
    expect(refusals.verdicts[0]?.nodes).to.deep.equal(['edge-1', 'edge-2']);
  });

  it('keeps a bounded number of verdicts, the newest (point 43)', () => {
    for (let version = 0; version < 1_500; version++) refuse(one, form('claims', `v${version}`));
    expect(convicted()).to.have.length(1_000).and.include('claims v1499');
  });
});
