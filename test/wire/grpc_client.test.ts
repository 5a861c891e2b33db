import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import { register } from '@grpc/grpc-js-xds';
import { expect } from 'chai';
import { any, encode } from '../../src/protos.js';
import type { EncodedResource, EncodedResources } from '../../src/snapshot/snapshot.js';
import { routes } from '../unit/snapshot/messages.js';
import { startStage, type Stage } from './stage.js';

const overAds = { ads: {}, resource_api_version: 'V3' } as const;
const path = '/test.Asking/WhoAreYou';
const pass = (bytes: Buffer) => bytes;

/** gRPC takes its routes through an API listener, named as the target it is to reach. */
const apiListener: EncodedResource = {
  name: 'asking',
  bytes: encode('envoy.config.listener.v3.Listener', {
    name: 'asking',
    api_listener: {
      api_listener: any(
        'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
        {
          rds: { route_config_name: 'asking', config_source: overAds },
          http_filters: [
            {
              name: 'router',
              typed_config: any('envoy.extensions.filters.http.router.v3.Router', {}),
            },
          ],
        },
      ),
    },
  }),
};

/** gRPC refuses a policy that it does not know. */
const cluster = (name: string, lb_policy: 'ROUND_ROBIN' | 'MAGLEV'): EncodedResource => ({
  name,
  bytes: encode('envoy.config.cluster.v3.Cluster', {
    ...{ name, type: 'EDS', lb_policy },
    eds_cluster_config: { eds_config: overAds },
  }),
});

const endpointAt = (name: string, port: number): EncodedResource => ({
  name,
  bytes: encode('envoy.config.endpoint.v3.ClusterLoadAssignment', {
    cluster_name: name,
    endpoints: [
      {
        locality: { region: 'here' },
        load_balancing_weight: { value: 1 },
        lb_endpoints: [
          {
            endpoint: {
              address: { socket_address: { address: '127.0.0.1', port_value: port } },
            },
          },
        ],
      },
    ],
  }),
});

/** Answers with its own name. */
async function startAnswerer(name: string): Promise<{ port: number; server: Server }> {
  const server = new Server();
  server.addService(
    {
      whoAreYou: {
        ...{ path, requestStream: false, responseStream: false },
        ...{ requestSerialize: pass, requestDeserialize: pass },
        ...{ responseSerialize: pass, responseDeserialize: pass },
      },
    },
    {
      whoAreYou: (_call: unknown, answer: (error: null, bytes: Buffer) => void) =>
        answer(null, Buffer.from(name)),
    },
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  return { port, server };
}

describe('the client of gRPC itself', () => {
  let stage: Stage;
  let client: Client;
  const answerers = new Map<string, { port: number; server: Server }>();
  const portOf = (name: string) => answerers.get(name)!.port;
  const resources = (parts: Partial<EncodedResources>) => ({
    cluster: [cluster('first', 'ROUND_ROBIN')],
    endpoint: [endpointAt('first', portOf('one'))],
    listener: [apiListener],
    route: [routes('asking', ['first'])],
    ...parts,
  });

  before(async () => {
    for (const name of ['one', 'two']) answerers.set(name, await startAnswerer(name));
    stage = await startStage();
    stage.publish(resources({ route: [anyPath('first')] }));
    process.env['GRPC_XDS_BOOTSTRAP_CONFIG'] = JSON.stringify({
      xds_servers: [
        {
          server_uri: `127.0.0.1:${stage.server.port}`,
          channel_creds: [{ type: 'insecure' }],
          server_features: ['xds_v3'],
        },
      ],
      node: { id: 'grpc', locality: {} },
    });
    register();
    client = new Client('xds:///asking', credentials.createInsecure());
  });
  after(async () => {
    client.close();
    delete process.env['GRPC_XDS_BOOTSTRAP_CONFIG'];
    for (const { server } of answerers.values()) server.forceShutdown();
    await stage.stop();
  });

  const anyPath = (name: string): EncodedResource => ({
    name: 'asking',
    bytes: encode('envoy.config.route.v3.RouteConfiguration', {
      name: 'asking',
      virtual_hosts: [
        {
          ...{ name: 'all', domains: ['*'] },
          routes: [{ match: { prefix: '' }, route: { cluster: name } }],
        },
      ],
    }),
  });

  const whoAnswers = async () =>
    new Promise<string>((resolve, reject) => {
      const deadline = Date.now() + 10_000;
      client.makeUnaryRequest(path, pass, pass, Buffer.alloc(0), { deadline }, (error, bytes) =>
        error ? reject(error) : resolve(bytes!.toString()),
      );
    });
  const answeredBy = async (name: string) => {
    while ((await whoAnswers()) !== name);
  };
  const node = () => stage.server.nodes.list().find(({ id }) => id === 'grpc');

  it('finds its way by listener, routes, cluster and endpoints (points 3, 8, 11)', async () => {
    expect(await whoAnswers()).to.equal('one');
    const kinds = node()?.kinds ?? {};
    expect(Object.keys(kinds)).to.have.members(['listener', 'route', 'cluster', 'endpoint']);
    expect(kinds.cluster).to.include({ wildcard: false, held: 1 });
  });

  it('follows an endpoint that moves (points 11, 17)', async () => {
    stage.publish(
      resources({ route: [anyPath('first')], endpoint: [endpointAt('first', portOf('two'))] }),
    );
    await answeredBy('two');
  });

  it('follows a route to a new cluster, and drops the old one (points 6, 20)', async () => {
    stage.publish(
      resources({
        cluster: [cluster('first', 'ROUND_ROBIN'), cluster('second', 'ROUND_ROBIN')],
        endpoint: [endpointAt('first', portOf('two')), endpointAt('second', portOf('one'))],
        route: [anyPath('second')],
      }),
    );
    await answeredBy('one');
  });

  it('refuses what it cannot use, goes on, and recovers (points 26, 27, 28)', async () => {
    const second = (policy: 'ROUND_ROBIN' | 'MAGLEV', name: string) =>
      stage.publish(
        resources({
          cluster: [cluster('second', policy)],
          endpoint: [endpointAt('second', portOf(name))],
          route: [anyPath('second')],
        }),
      );
    second('MAGLEV', 'one');
    await stage.nodesAre(() => stage.server.nodes.problems().length === 1);
    expect(stage.server.nodes.problems()[0]?.subject).to.deep.equal({
      ...{ service: 'second', node: 'grpc', path: 'cluster.second' },
    });
    expect(await whoAnswers()).to.equal('one');
    second('ROUND_ROBIN', 'two');
    await answeredBy('two');
    expect(stage.server.nodes.problems()).to.deep.equal([]);
  });
});
