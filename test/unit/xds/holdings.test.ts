import { expect } from 'chai';
import type { EncodedResources, ResourceKind, Snapshot } from '../../../src/snapshot/snapshot.js';
import { changesBetween } from '../../../src/xds/changes.js';
import { Delivery, type Response } from '../../../src/xds/delivery.js';
import { Holdings } from '../../../src/xds/holdings.js';
import { sharedNumbering } from '../../../src/xds/response.js';
import { assignment, edsCluster, snapshotOf } from '../snapshot/messages.js';
import { noVerdict, noWish } from './proxy.js';

const marked = (cluster: number, port = 1): Partial<EncodedResources> => ({
  cluster: [edsCluster('a', cluster)],
  endpoint: [assignment('a', port)],
});

describe('what a stream says of a form that another has refused', () => {
  let snapshot: Snapshot;
  let delivery: Delivery;
  let holdings: Holdings;
  let sent: Map<ResourceKind, Response>;

  const flush = () => {
    for (const response of delivery.responses()) {
      sent.set(response.kind, response);
      holdings.sent(response, 0);
    }
  };
  const ask = (kind: ResourceKind, ...subscribe: readonly string[]) => {
    delivery.receive(kind, { ...noWish, subscribe }, noVerdict);
    flush();
  };
  const answer = (kind: ResourceKind, refused = false) => {
    const { nonce } = sent.get(kind)!;
    delivery.receive(kind, noWish, { nonce, refused });
    holdings.answered(kind, refused ? 'refused' : 'acknowledged');
    flush();
  };
  const publish = (parts: Partial<EncodedResources>) => {
    const next = snapshotOf(parts, snapshot);
    holdings.present = next;
    delivery.publish(next, changesBetween(snapshot, next));
    snapshot = next;
    flush();
  };
  const awaits = (kind: ResourceKind) => holdings.awaits(kind, snapshot.resources[kind].get('a')!);

  beforeEach(() => {
    snapshot = snapshotOf(marked(0));
    delivery = new Delivery('incremental', sharedNumbering(), snapshot);
    holdings = new Holdings(delivery, snapshot);
    sent = new Map();
    ask('cluster');
  });

  it('is awaited while it is on its way, and no longer when it is held', () => {
    expect(awaits('cluster')).to.equal(true);
    answer('cluster');
    expect(awaits('cluster')).to.equal(false);
  });

  it('is awaited while it is still to be sent, and no older form is', () => {
    publish(marked(1));
    const old = snapshot.resources.cluster.get('a')!;
    publish(marked(2));
    expect(awaits('cluster')).to.equal(true);
    expect(holdings.awaits('cluster', old)).to.equal(false);
  });

  it('is not awaited of one that has refused it', () => {
    answer('cluster', true);
    expect(awaits('cluster')).to.equal(false);
  });

  it('is not awaited of one that is late with any answer', () => {
    ask('endpoint', 'a');
    answer('endpoint');
    publish(marked(0, 2));
    expect(awaits('endpoint')).to.equal(true);
    holdings.fallOverdue(0);
    expect(awaits('endpoint')).to.equal(false);
  });

  it('is awaited of one that will ask for it: its cluster is on its way', () => {
    expect(awaits('endpoint')).to.equal(true);
    answer('cluster');
    expect(awaits('endpoint')).to.equal(false);
  });
});
