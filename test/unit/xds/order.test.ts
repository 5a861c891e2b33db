import { expect } from 'chai';
import type { EncodedResources } from '../../../src/snapshot/snapshot.js';
import {
  assignment,
  edsCluster,
  listener,
  routes,
  secret,
  snapshotOf,
} from '../snapshot/messages.js';
import type { Variant } from '../../../src/xds/subscription.js';
import { Proxy } from './proxy.js';

const base: Partial<EncodedResources> = {
  cluster: [edsCluster('a')],
  endpoint: [assignment('a')],
  listener: [listener('gateway', 'gateway')],
  route: [routes('gateway', ['a'])],
};

/** A proxy that holds `base`. */
function settled(variant: Variant = 'incremental'): Proxy {
  const proxy = new Proxy(snapshotOf(base), variant);
  proxy.reconnect();
  proxy.settle();
  proxy.received.length = 0;
  return proxy;
}

const change = (proxy: Proxy, parts: Partial<EncodedResources>) =>
  proxy.publish(snapshotOf({ ...base, ...parts }, proxy.snapshot));

/** What came since the last look: `cluster +a -b`. */
function news(proxy: Proxy): readonly string[] {
  return proxy.received.splice(0).map(({ kind, content }) => {
    const names = [...content].map(([name, resource]) => `${resource ? '+' : '-'}${name}`);
    return [kind, ...names].join(' ');
  });
}

describe('order', () => {
  for (const variant of ['incremental', 'state of the world'] as const)
    describe(variant, () => keeps(variant));

  it('removes no cluster while the routes of one who comes back are not known (point 20)', () => {
    const proxy = settled('state of the world');
    proxy.reconnect();
    proxy.acknowledge('cluster');
    // Its routes may name `a` still: they wait for the endpoints.
    change(proxy, {
      cluster: [edsCluster('b')],
      endpoint: [assignment('b')],
      route: [routes('gateway', ['b'])],
    });
    expect([...proxy.held.cluster.keys()]).to.include('a');
    proxy.settle();
    expect([...proxy.held.cluster.keys()]).to.deep.equal(['b']);
  });

  it('removes nothing of one who comes back before what it holds is known (point 20)', () => {
    const proxy = settled();
    proxy.waiting.clear();
    proxy.snapshot = snapshotOf({
      ...base,
      cluster: [],
      endpoint: [],
      route: [routes('gateway', [])],
    });
    proxy.reconnect();
    expect(news(proxy)).to.deep.equal(['route +gateway']);
    proxy.settle();
    expect(news(proxy)).to.deep.equal(['cluster -a']);
  });
});

function keeps(variant: Variant): void {
  it('keeps a route back from a cluster that is just being removed and returns (point 19)', () => {
    const proxy = settled(variant);
    const [nowhere, again] = [routes('gateway', [], 1), routes('gateway', ['a'], 2)];
    change(proxy, { cluster: [], endpoint: [], route: [nowhere] });
    proxy.acknowledge('route');
    expect(news(proxy)).to.deep.equal(['route +gateway', 'cluster -a']);
    change(proxy, { route: [again] });
    expect(news(proxy)).to.deep.equal([]);
    proxy.acknowledge('cluster');
    expect(news(proxy)).to.deep.equal(['cluster +a']);
    proxy.settle();
    expect(news(proxy)).to.deep.equal(['endpoint +a', 'route +gateway']);
  });

  it('sends nothing at all before there is a snapshot', () => {
    const proxy = new Proxy(undefined, variant);
    proxy.reconnect();
    expect(news(proxy)).to.be.empty;
    proxy.publish(snapshotOf(base));
    expect(news(proxy)[0]).to.equal('cluster +a');
  });

  it('begins with clusters, then endpoints, then listeners, then routes (points 18, 19)', () => {
    const proxy = new Proxy(snapshotOf(base), variant);
    proxy.reconnect();
    proxy.settle();
    expect(news(proxy)).to.deep.equal([
      'cluster +a',
      'listener +gateway',
      'endpoint +a',
      'route +gateway',
    ]);
  });

  it('keeps a listener back until the cluster its filter needs has endpoints (point 19)', () => {
    const processed = [listener('gateway', 'gateway', { processor: 'a' })];
    const proxy = new Proxy(snapshotOf({ ...base, listener: processed }), variant);
    proxy.reconnect();
    expect(news(proxy)).to.deep.equal(['cluster +a']);
    proxy.acknowledge('cluster');
    expect(news(proxy)).to.deep.equal(['endpoint +a']);
    proxy.acknowledge('endpoint');
    expect(news(proxy)).to.deep.equal(['listener +gateway']);
  });

  it('keeps a route back until its new cluster and endpoints are acknowledged (point 19)', () => {
    const proxy = settled(variant);
    change(proxy, {
      cluster: [edsCluster('a'), edsCluster('b')],
      endpoint: [assignment('a'), assignment('b')],
      route: [routes('gateway', ['b'])],
    });
    expect(news(proxy)).to.deep.equal(['cluster +b']);
    proxy.acknowledge('cluster');
    expect(news(proxy)).to.deep.equal(['endpoint +b']);
    proxy.acknowledge('endpoint');
    expect(news(proxy)).to.deep.equal(['route +gateway']);
  });

  it('keeps a route back that is asked for before its listener was sent (point 19)', () => {
    const processed = [listener('gateway', 'gateway', { processor: 'a' })];
    // It leads to no cluster by name, so nothing else keeps it back.
    const route = [routes('gateway', [':x-mcpx-cluster'])];
    const proxy = new Proxy(snapshotOf({ ...base, listener: processed, route }), variant);
    proxy.asked.route.add('gateway');
    proxy.reconnect();
    expect(news(proxy)).to.deep.equal(['cluster +a']);
    proxy.acknowledge('cluster');
    expect(news(proxy)).to.deep.equal(['endpoint +a']);
    proxy.acknowledge('endpoint');
    expect(news(proxy)).to.deep.equal(['listener +gateway', 'route +gateway']);
  });

  it('takes no route away before the listener that named it is replaced (point 20)', () => {
    const proxy = settled(variant);
    change(proxy, { listener: [listener('gateway', 'other')], route: [routes('other', ['a'])] });
    expect(news(proxy)).to.deep.equal(['listener +gateway']);
    proxy.settle();
    expect(news(proxy), 'the old one is asked for no longer').to.deep.equal(['route +other']);
    expect([...proxy.held.route.keys()]).to.deep.equal(['other']);
  });

  it('removes a cluster after the route that named it last was replaced (point 20)', () => {
    const proxy = settled(variant);
    change(proxy, { cluster: [], endpoint: [], route: [routes('gateway', [])] });
    expect(news(proxy)).to.deep.equal(['route +gateway']);
    proxy.acknowledge('route');
    expect(news(proxy)).to.deep.equal(['cluster -a']);
    proxy.acknowledge('cluster');
    expect(proxy.held.endpoint.size).to.equal(0);
  });

  it('never removes a cluster whose route stays because the new one was refused (point 20)', () => {
    const proxy = settled(variant);
    change(proxy, { cluster: [], endpoint: [], route: [routes('gateway', [])] });
    proxy.refuse('route');
    proxy.settle();
    expect(news(proxy)).to.deep.equal(['route +gateway']);
    change(proxy, { cluster: [], endpoint: [], route: [routes('gateway', [], 1)] });
    proxy.settle();
    expect(news(proxy)).to.deep.equal(['route +gateway', 'cluster -a']);
  });

  it('removes the cluster of a header route at once: nothing names it', () => {
    const proxy = settled(variant);
    change(proxy, { route: [routes('gateway', [':x-mcpx-cluster'])] });
    proxy.settle();
    news(proxy);
    change(proxy, { cluster: [], endpoint: [], route: [routes('gateway', [':x-mcpx-cluster'])] });
    expect(news(proxy)).to.deep.equal(['cluster -a']);
  });

  it('sends the endpoints of exactly the changed cluster again, after it (point 21)', () => {
    const proxy = settled(variant);
    const two = {
      cluster: [edsCluster('a'), edsCluster('b')],
      endpoint: [assignment('a'), assignment('b')],
    };
    change(proxy, two);
    proxy.settle();
    news(proxy);
    change(proxy, { ...two, cluster: [edsCluster('a'), edsCluster('b', 1)] });
    expect(news(proxy)).to.deep.equal(['cluster +b', 'endpoint +b']);
  });

  it('sends the routes of a changed listener again, after it (point 21)', () => {
    const proxy = settled(variant);
    change(proxy, { listener: [listener('gateway', 'gateway', { mark: 1 })] });
    expect(news(proxy)).to.deep.equal(['listener +gateway', 'route +gateway']);
  });

  it('sends the secret of a new cluster after it, and the route last (points 19, 41)', () => {
    const proxy = settled(variant);
    change(proxy, {
      cluster: [edsCluster('a'), edsCluster('b', 0, 'own')],
      endpoint: [assignment('a'), assignment('b')],
      secret: [secret('own')],
      route: [routes('gateway', ['b'])],
    });
    expect(news(proxy)).to.deep.equal(['cluster +b']);
    proxy.acknowledge('cluster');
    expect(news(proxy)).to.deep.equal(['endpoint +b', 'secret +own']);
    proxy.acknowledge('endpoint');
    expect(news(proxy), 'the cluster has no certificate yet').to.deep.equal([]);
    proxy.acknowledge('secret');
    expect(news(proxy)).to.deep.equal(['route +gateway']);
  });

  it('sends the secrets of a changed cluster or listener again, after it (point 21)', () => {
    const proxy = settled(variant);
    const parts = {
      cluster: [edsCluster('a', 0, 'client')],
      listener: [listener('gateway', 'gateway', { secret: 'server' })],
      secret: [secret('client'), secret('server')],
    };
    change(proxy, parts);
    proxy.settle();
    news(proxy);
    change(proxy, { ...parts, cluster: [edsCluster('a', 1, 'client')] });
    expect(news(proxy)).to.deep.equal(['cluster +a', 'endpoint +a', 'secret +client']);
    proxy.settle();
    const listeners = [listener('gateway', 'gateway', { secret: 'server', mark: 1 })];
    change(proxy, { ...parts, cluster: [edsCluster('a', 1, 'client')], listener: listeners });
    expect(news(proxy)).to.deep.equal(['listener +gateway', 'secret +server', 'route +gateway']);
  });

  it('sends a rotated secret by itself, while a cluster waits (points 23, 41)', () => {
    const proxy = settled(variant);
    const parts = { cluster: [edsCluster('a', 0, 'own')], secret: [secret('own', 'old')] };
    change(proxy, parts);
    proxy.settle();
    news(proxy);
    change(proxy, {
      ...parts,
      cluster: [edsCluster('a', 0, 'own'), edsCluster('b')],
      endpoint: [assignment('a'), assignment('b')],
    });
    expect(news(proxy)).to.deep.equal(['cluster +b']);
    change(proxy, {
      cluster: [edsCluster('a', 0, 'own'), edsCluster('b')],
      endpoint: [assignment('a'), assignment('b')],
      secret: [secret('own', 'new')],
    });
    expect(news(proxy)).to.deep.equal(['secret +own']);
  });

  it('takes no secret away while a cluster that is held names it (point 20)', () => {
    const proxy = settled(variant);
    change(proxy, { cluster: [edsCluster('a', 0, 'own')], secret: [secret('own')] });
    proxy.settle();
    news(proxy);
    change(proxy, { cluster: [edsCluster('a', 1)], secret: [] });
    expect(news(proxy)).to.deep.equal(['cluster +a', 'endpoint +a']);
    proxy.refuse('cluster');
    proxy.settle();
    expect(news(proxy), 'it goes on with the old cluster').to.deep.equal([]);
    change(proxy, { cluster: [edsCluster('a', 2)], secret: [] });
    proxy.settle();
    expect(proxy.held.secret.size).to.equal(0);
  });

  it('warms a new cluster that is gone before Envoy asks for its endpoints', () => {
    const proxy = settled(variant);
    change(proxy, {
      cluster: [edsCluster('a'), edsCluster('b', 0, 'own')],
      endpoint: [assignment('a'), assignment('b')],
      secret: [secret('own')],
    });
    expect(news(proxy)).to.deep.equal(['cluster +b']);
    change(proxy, {});
    proxy.acknowledge('cluster');
    expect(news(proxy), 'as they were').to.deep.equal(['endpoint +b', 'secret +own']);
    proxy.settle();
    expect(news(proxy)).to.include('cluster -b');
    expect([...proxy.held.endpoint.keys(), ...proxy.held.secret.keys()]).to.deep.equal(['a']);
  });

  it('warms a changed cluster that is gone before its endpoints could follow it', () => {
    const proxy = settled(variant);
    change(proxy, { endpoint: [assignment('a', 2)] });
    const unrouted = { route: [routes('gateway', [])] };
    change(proxy, { cluster: [edsCluster('a', 1)], endpoint: [assignment('a', 3)], ...unrouted });
    expect(news(proxy)).to.deep.equal(['endpoint +a', 'cluster +a', 'route +gateway']);
    change(proxy, { cluster: [], endpoint: [], ...unrouted });
    proxy.settle();
    expect(news(proxy)).to.include('endpoint +a').and.include('cluster -a');
    expect([proxy.held.cluster.size, proxy.held.endpoint.size]).to.deep.equal([0, 0]);
  });

  it('warms a changed cluster with what it holds where it refused the newest', () => {
    const proxy = settled(variant);
    const parts = { endpoint: [assignment('a', 2)] };
    const [good] = proxy.held.endpoint.values();
    change(proxy, parts);
    proxy.refuse('endpoint');
    news(proxy);
    change(proxy, { ...parts, cluster: [edsCluster('a', 1)] });
    expect(news(proxy)).to.deep.equal(['cluster +a', 'endpoint +a']);
    expect(proxy.waiting.get('endpoint')?.content.get('a')).to.equal(good);
    proxy.settle();
    expect(news(proxy), 'the same bytes are not tried again').to.be.empty;
    expect(proxy.refused('endpoint')).to.deep.equal(['a']);
    change(proxy, { endpoint: [assignment('a', 3)], cluster: [edsCluster('a', 1)] });
    expect(news(proxy)).to.deep.equal(['endpoint +a']);
  });

  it('lets endpoints pass while an unrelated cluster waits (point 23)', () => {
    const proxy = settled(variant);
    const two = { cluster: [edsCluster('a'), edsCluster('b')] };
    change(proxy, { ...two, endpoint: [assignment('a'), assignment('b')] });
    expect(news(proxy)).to.deep.equal(['cluster +b']);
    change(proxy, { ...two, endpoint: [assignment('a', 2), assignment('b')] });
    expect(news(proxy)).to.deep.equal(['endpoint +a']);
  });

  // Envoy acknowledges a cluster only when it is warm, and it warms with its endpoints.
  it('lets endpoints pass a change of their cluster that waits (points 18, 23)', () => {
    const proxy = settled(variant);
    change(proxy, {
      cluster: [edsCluster('a'), edsCluster('b')],
      endpoint: [assignment('a'), assignment('b')],
    });
    news(proxy);
    change(proxy, {
      cluster: [edsCluster('a', 1), edsCluster('b')],
      endpoint: [assignment('a', 2), assignment('b')],
    });
    expect(news(proxy)).to.deep.equal(['endpoint +a']);
    proxy.acknowledge('endpoint');
    expect(news(proxy)).to.deep.equal(['endpoint +b']);
    proxy.acknowledge('endpoint');
    expect(news(proxy)).to.deep.equal(['cluster +a', 'endpoint +a']);
  });
}
