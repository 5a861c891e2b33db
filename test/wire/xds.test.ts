import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { status } from '@grpc/grpc-js';
import { expect } from 'chai';
import { systemClock } from '../../src/clock.js';
import { Latest } from '../../src/latest.js';
import { silentLog } from '../../src/log.js';
import { createMetrics } from '../../src/metrics.js';
import type { Audience } from '../../src/snapshot/audience.js';
import type { EncodedResources, Snapshot } from '../../src/snapshot/snapshot.js';
import { startXdsServer, type XdsServer } from '../../src/xds/server.js';
import { assignment, edsCluster, listener, routes, snapshotOf } from '../unit/snapshot/messages.js';
import { summary, WireClient } from './client.js';
import { valueOf } from './stage.js';

const base: Partial<EncodedResources> = {
  cluster: [edsCluster('a')],
  endpoint: [assignment('a')],
  listener: [listener('gateway', 'gateway')],
  route: [routes('gateway', ['a'])],
};

describe('xDS over a real stream', () => {
  let server: XdsServer;
  let edge: Latest<Snapshot | undefined>;
  const metrics = createMetrics();
  const clients: WireClient[] = [];

  const options = (port: number) => ({
    host: '127.0.0.1',
    port,
    snapshots: (audience: Audience) => (audience === 'edge' ? edge : undefined),
    metrics,
    clock: systemClock,
    log: silentLog,
  });
  const connect = () => {
    const client = new WireClient(server.port);
    clients.push(client);
    return client;
  };
  const publish = (parts: Partial<EncodedResources>) =>
    edge.set(snapshotOf({ ...base, ...parts }, edge.value));
  const nodesAre = async (accept: () => boolean) => server.nodes.revision.when(accept);

  beforeEach(async () => {
    edge = new Latest<Snapshot | undefined>(snapshotOf(base));
    const outcome = await startXdsServer(options(0));
    if (!outcome.ok) throw new Error(outcome.problems[0]?.message);
    server = outcome.value;
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await server.stop();
  });

  it('delivers to a client that asks as Envoy does, in order (points 18, 19)', async () => {
    const client = connect();
    client.begin('cluster');
    const clusters = await client.next();
    expect(summary(clusters)).to.equal('cluster +a');
    expect(clusters.resources?.[0]).to.deep.equal({
      name: 'a',
      version: edge.value?.resources.cluster.get('a')?.version,
      resource: {
        '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
        name: 'a',
        type: 'EDS',
        connect_timeout: { seconds: 1 },
        eds_cluster_config: { eds_config: { ads: {}, resource_api_version: 'V3' } },
      },
    });
    client.acknowledge(clusters);
    client.ask('endpoint', { resource_names_subscribe: ['a'] });
    const endpoints = await client.next();
    expect(summary(endpoints)).to.equal('endpoint +a');
    client.acknowledge(endpoints);
    client.ask('listener');
    const listeners = await client.next();
    expect(summary(listeners)).to.equal('listener +gateway');
    client.acknowledge(listeners);
    client.ask('route', { resource_names_subscribe: ['gateway'] });
    expect(summary(await client.next())).to.equal('route +gateway');
  });

  it('sends nothing until there is a snapshot (point 36)', async () => {
    edge.set(undefined);
    const client = connect();
    client.begin('cluster');
    await nodesAre(() => server.nodes.list()[0]?.kinds.cluster !== undefined);
    expect(client.unread).to.equal(0);
    publish({});
    expect(summary(await client.next())).to.equal('cluster +a');
  });

  it('pushes a change to all, and only the change (points 17, 32)', async () => {
    const all = [connect(), connect(), connect()];
    for (const [index, client] of all.entries()) {
      client.begin('endpoint', { resource_names_subscribe: ['a', 'b'] }, `edge-${index}`);
      const first = await client.next();
      // The last one never acknowledges; it must not keep the others waiting.
      if (index < 2) client.acknowledge(first);
    }
    await nodesAre(() =>
      server.nodes.list().every(({ id, kinds }) => id === 'edge-2' || kinds.endpoint?.settled),
    );
    publish({ endpoint: [assignment('a', 2)] });
    for (const client of all.slice(0, 2))
      expect(summary(await client.next())).to.equal('endpoint +a');
    expect(all[2]?.unread).to.equal(0);
  });

  it('makes few pushes of a storm of changes, and ends with the last (point 34)', async () => {
    const client = connect();
    client.begin('endpoint', { resource_names_subscribe: ['a'] });
    client.acknowledge(await client.next());
    await nodesAre(() => server.nodes.list()[0]?.kinds.endpoint?.settled === true);
    const series = 'mcpx_xds_responses_total{type="endpoint"}';
    const before = await valueOf(metrics, series);
    for (let port = 2; port <= 1_001; port++) publish({ endpoint: [assignment('a', port)] });
    client.acknowledge(await client.next());
    const last = await client.next();
    expect(JSON.stringify(last.resources)).to.contain('"port_value":1001');
    expect((await valueOf(metrics, series)) - before).to.equal(2);
  });

  it('re-sends nothing to one who comes back with the present versions (point 15)', async () => {
    const before = connect();
    before.begin('cluster');
    const response = await before.next();
    const versions = Object.fromEntries(
      (response.resources ?? []).map(({ name = '', version = '' }) => [name, version]),
    );
    before.close();
    const after = connect();
    after.begin('cluster', { initial_resource_versions: { ...versions, gone: 'v' } });
    expect(summary(await after.next())).to.equal('cluster -gone');
  });

  it('keeps a refusal with its words, tries the next form at once (points 26, 27)', async () => {
    const client = connect();
    client.begin('cluster');
    client.refuse(await client.next(), 'no such extension');
    await nodesAre(() => server.nodes.problems().length > 0);
    const [problem] = server.nodes.problems();
    expect(problem?.message).to.contain('no such extension');
    expect(problem?.subject).to.deep.equal({ service: 'a', node: 'edge-1', path: 'cluster.a' });
    expect(await metrics.text()).to.match(/^mcpx_xds_nacks_total\{type="cluster"\} 1$/m);
    publish({ cluster: [edsCluster('a', 1)] });
    const mended = await client.next();
    expect(summary(mended)).to.equal('cluster +a');
    client.acknowledge(mended);
    await nodesAre(() => server.nodes.problems().length === 0);
  });

  it('shows who is connected and what it holds, and forgets who left (point 43)', async () => {
    const client = connect();
    client.begin('cluster');
    client.acknowledge(await client.next());
    await nodesAre(() => server.nodes.list()[0]?.kinds.cluster?.settled === true);
    const [node] = server.nodes.list();
    expect(node).to.include({ id: 'edge-1', cluster: 'edge', version: '1.40.0', role: 'edge' });
    expect(node?.address).to.match(/^127\.0\.0\.1:\d+$/);
    expect(node?.kinds.cluster).to.deep.equal({
      acknowledged: edge.value?.version,
      held: 1,
      wildcard: true,
      inFlight: false,
      overdue: false,
      settled: true,
      refused: [],
    });
    client.close();
    await nodesAre(() => server.nodes.list().length === 0);
  });

  it('keeps the stream open when a type is unknown (point 1)', async () => {
    const client = connect();
    client.begin('cluster');
    client.acknowledge(await client.next());
    client.send({ type_url: 'type.googleapis.com/envoy.config.nothing.v3.Nothing' });
    publish({ cluster: [edsCluster('a', 1)] });
    expect(summary(await client.next())).to.equal('cluster +a');
  });

  it('takes the node from the first request and no other later (point 2)', async () => {
    const client = connect();
    client.begin('cluster');
    client.acknowledge(await client.next());
    client.begin('listener', {}, 'edge-2');
    const { code, details } = await client.ended;
    expect(code).to.equal(status.INVALID_ARGUMENT);
    expect(details).to.contain('edge-1').and.contain('edge-2');
    await nodesAre(() => server.nodes.list().length === 0);
  });

  const nonsense: readonly [string, (client: WireClient) => void, string][] = [
    ['without a type (point 1)', (client) => client.send({ node: { id: 'x' } }), 'type_url'],
    ['without a node (point 2)', (client) => client.ask('cluster'), 'node.id'],
    ['of garbage', (client) => client.sendBytes(Buffer.from([255, 1, 2])), 'no DeltaDiscovery'],
    [
      'of a role that is not served',
      (client) =>
        client.begin('cluster', {
          node: { id: 'x', metadata: { fields: { role: { stringValue: 'sidecar' } } } },
        }),
      'sidecar',
    ],
  ];
  for (const [what, send, words] of nonsense) {
    it(`ends a stream with a request ${what}, and no other`, async () => {
      const other = connect();
      other.begin('cluster');
      other.acknowledge(await other.next());
      const client = connect();
      send(client);
      const { code, details } = await client.ended;
      expect(code).to.equal(status.INVALID_ARGUMENT);
      expect(details).to.contain(words);
      publish({ cluster: [edsCluster('a', 1)] });
      expect(summary(await other.next())).to.equal('cluster +a');
    });
  }

  it('names the port, the address and the key when the port is in use', async () => {
    const outcome = await startXdsServer(options(server.port));
    if (outcome.ok) throw new Error('it started');
    const [problem] = outcome.problems;
    expect(problem?.code).to.equal('port_in_use');
    expect(problem?.message)
      .to.contain(String(server.port))
      .and.contain('127.0.0.1')
      .and.contain('xds.port');
  });

  it('ends its streams when it stops, and frees the port (point 39)', async () => {
    const client = connect();
    client.begin('cluster');
    await client.next();
    await server.stop();
    expect((await client.ended).code).to.equal(status.UNAVAILABLE);
    const taker = createServer().listen(server.port, '127.0.0.1');
    await once(taker, 'listening');
    expect((taker.address() as AddressInfo).port).to.equal(server.port);
    taker.close();
  });
});
