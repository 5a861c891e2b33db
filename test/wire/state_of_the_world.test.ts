import { status } from '@grpc/grpc-js';
import { expect } from 'chai';
import { decode, encode, type Input, type Output } from '../../src/protos.js';
import { typeUrls, type ResourceKind } from '../../src/snapshot/snapshot.js';
import { assignment, edsCluster, routes } from '../unit/snapshot/messages.js';
import { envoyNode, RawClient } from './client.js';
import { startStage, type Stage } from './stage.js';

type Response = Output<'envoy.service.discovery.v3.DiscoveryResponse'>;
type Request = Input<'envoy.service.discovery.v3.DiscoveryRequest'>;

/** Says what it wants as a whole, as an Envoy with `api_type: GRPC` does. */
class WholeClient extends RawClient {
  constructor(port: number) {
    super(port, 'state of the world');
  }

  ask(kind: ResourceKind, more: Request = {}): void {
    const request = { type_url: typeUrls[kind], node: envoyNode('edge-1'), ...more };
    this.sendBytes(encode('envoy.service.discovery.v3.DiscoveryRequest', request));
  }

  acknowledge(kind: ResourceKind, { nonce, version_info }: Response, more: Request = {}): void {
    this.ask(kind, { response_nonce: nonce ?? '', version_info: version_info ?? '', ...more });
  }

  async next(): Promise<Response> {
    return decode('envoy.service.discovery.v3.DiscoveryResponse', await this.nextBytes());
  }

  /** The names in the next response. */
  async names(): Promise<[Response, readonly unknown[]]> {
    const response = await this.next();
    const resources = (response.resources ?? []) as { name?: string; cluster_name?: string }[];
    return [response, resources.map(({ name, cluster_name }) => cluster_name ?? name)];
  }
}

describe('the state of the world over a real stream', () => {
  let stage: Stage;
  let client: WholeClient;
  beforeEach(async () => {
    stage = await startStage();
    client = stage.keep(new WholeClient(stage.server.port));
  });
  afterEach(async () => stage.stop());

  it('is delivered in order: clusters, endpoints, listeners, routes (points 11, 18)', async () => {
    client.ask('cluster');
    const [clusters, names] = await client.names();
    expect(names).to.deep.equal(['a']);
    expect(clusters).to.include({
      type_url: typeUrls.cluster,
      version_info: stage.edge.value!.version,
    });
    client.acknowledge('cluster', clusters);
    client.ask('endpoint', { resource_names: ['a'] });
    const [endpoints, assignments] = await client.names();
    expect(assignments).to.deep.equal(['a']);
    client.acknowledge('endpoint', endpoints, { resource_names: ['a'] });
    client.ask('listener');
    const [listeners, listenerNames] = await client.names();
    expect(listenerNames).to.deep.equal(['gateway']);
    client.acknowledge('listener', listeners);
    client.ask('route', { resource_names: ['gateway'] });
    expect((await client.names())[1]).to.deep.equal(['gateway']);
    await stage.nodesAre(() => stage.server.nodes.list()[0]?.kinds.listener?.settled === true);
  });

  it('carries all clusters and only the changed endpoints (points 11, 12)', async () => {
    client.ask('cluster');
    const [clusters] = await client.names();
    client.acknowledge('cluster', clusters);
    client.ask('endpoint', { resource_names: ['a', 'b'] });
    const [endpoints] = await client.names();
    client.acknowledge('endpoint', endpoints, { resource_names: ['a', 'b'] });
    stage.publish({
      cluster: [edsCluster('a'), edsCluster('b')],
      endpoint: [assignment('a'), assignment('b')],
    });
    expect((await client.names())[1]).to.deep.equal(['a', 'b']);
    expect((await client.names())[1]).to.deep.equal(['b']);
  });

  it('keeps the words of a refusal, and the last good among the rest (points 26, 27)', async () => {
    client.ask('cluster');
    const [first] = await client.names();
    client.acknowledge('cluster', first);
    stage.publish({ cluster: [edsCluster('a', 1)] });
    const [refused] = await client.names();
    client.acknowledge('cluster', refused, {
      error_detail: { code: 13, message: 'no such filter' },
    });
    await stage.nodesAre(() => stage.server.nodes.problems().length === 1);
    expect(stage.server.nodes.problems()[0]?.message).to.contain('no such filter');
    stage.publish({
      cluster: [edsCluster('a', 1), edsCluster('b')],
      endpoint: [assignment('a'), assignment('b')],
    });
    const { resources } = await client.next();
    const [a] = resources as { connect_timeout?: { seconds: number } }[];
    expect(resources).to.have.length(2);
    expect(a?.connect_timeout?.seconds, 'the form that was taken').to.equal(1);
  });

  it('gets no response for a stale nonce (point 10)', async () => {
    client.ask('route', { resource_names: ['gateway'] });
    const [first] = await client.names();
    client.acknowledge('route', first, { resource_names: ['gateway'] });
    stage.publish({ route: [routes('gateway', ['a'], 1), routes('other', [])] });
    const [second] = await client.names();
    client.acknowledge('route', first, { resource_names: ['gateway', 'other'] });
    client.acknowledge('route', second, { resource_names: ['gateway'] });
    stage.publish({ route: [routes('gateway', ['a'], 2), routes('other', [], 2)] });
    expect((await client.names())[1]).to.deep.equal(['gateway']);
  });

  it('ends only the stream that sends garbage', async () => {
    client.sendBytes(Buffer.from([0x0a, 0xff]));
    const { code, details } = await client.ended;
    expect(code).to.equal(status.INVALID_ARGUMENT);
    expect(details).to.contain('no DiscoveryRequest');
  });
});
