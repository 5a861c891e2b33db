import { expect } from 'chai';
import { parse } from 'yaml';
import { bootstrapOf } from '../../../src/resources/bootstrap.js';
import { audienceOf, audienceOfSidecar, type Said } from '../../../src/snapshot/audience.js';

interface Bootstrap {
  readonly node: { readonly id: string; readonly metadata: object };
  readonly admin: { readonly address: object };
  readonly static_resources: {
    readonly clusters: readonly {
      readonly load_assignment: {
        readonly endpoints: readonly { readonly lb_endpoints: readonly object[] }[];
      };
    }[];
  };
}

const made = (node: string, ...hosts: readonly string[]) => {
  const xds = hosts.map((host, index) => ({ host, port: 18_001 + index }));
  return parse(bootstrapOf({ node, xds, adminPort: 9902 })) as Bootstrap;
};

const endpointsOf = ({ static_resources: own }: Bootstrap) =>
  own.clusters[0]?.load_assignment.endpoints.map(({ lb_endpoints }) => lb_endpoints);

const endpoint = (address: string, port_value: number) => ({
  endpoint: { address: { socket_address: { address, port_value } } },
});

describe('the bootstrap of an edge Envoy', () => {
  it('says who it is, where its control plane is, and its admin port on loopback', () => {
    const bootstrap = made('edge-1', '10.0.0.9');
    expect(bootstrap.node).to.deep.include({ id: 'edge-1', metadata: { role: 'edge' } });
    expect(bootstrap.admin.address).to.deep.equal({
      socket_address: { address: '127.0.0.1', port_value: 9902 },
    });
    expect(endpointsOf(bootstrap)).to.deep.equal([[endpoint('10.0.0.9', 18_001)]]);
  });

  it('names every replica of the control plane, none before another', () => {
    const bootstrap = made('edge-1', '10.0.0.9', 'xds.example', '::1');
    expect(endpointsOf(bootstrap)).to.deep.equal([
      [endpoint('10.0.0.9', 18_001), endpoint('xds.example', 18_002), endpoint('::1', 18_003)],
    ]);
  });

  for (const name of ['a: b', '*', '"', "it's", '$&', 'NODE_ID', 'XDS_ENDPOINTS', '{x}', '# no'])
    it(`takes any name of a node or a host as it is: ${name}`, () => {
      const bootstrap = made(name, name);
      expect(bootstrap.node.id).to.equal(name);
      expect(endpointsOf(bootstrap)).to.deep.equal([[endpoint(name, 18_001)]]);
    });

  it('leaves no blank unfilled', () => {
    const text = bootstrapOf({ node: 'edge', xds: [{ host: 'xds', port: 1 }], adminPort: 2 });
    const settings = text.replace(/#.*$/gm, '');
    expect(settings).not.to.match(/\b(API_TYPE|NODE_ID|ADMIN_PORT|XDS_ENDPOINTS|XDS_\w+)\b/);
  });

  const socketWith = (identity?: { readonly folder: string; readonly trustDomain: string }) => {
    const xds = [{ host: 'xds', port: 1 }];
    const { static_resources: own } = parse(
      bootstrapOf({ node: 'edge', xds, adminPort: 2, identity }),
    ) as { static_resources: { clusters: readonly { transport_socket: unknown }[] } };
    return own.clusters[0]?.transport_socket;
  };

  it('connects in clear where identity is off', () => {
    expect(socketWith()).to.have.property('name', 'envoy.transport_sockets.raw_buffer');
  });

  it('shows the certificate of its folder, and believes no one but a control plane', () => {
    const socket = socketWith({ folder: '/etc/a b', trustDomain: 'example.org' });
    const context = expect(socket).to.have.nested.property('typed_config.common_tls_context');
    context.that.deep.includes({
      tls_params: {
        tls_minimum_protocol_version: 'TLSv1_3',
        tls_maximum_protocol_version: 'TLSv1_3',
      },
    });
    const text = JSON.stringify(socket);
    for (const path of ['/etc/a b/node.yaml', '/etc/a b/roots.yaml'])
      expect(text).to.contain(`"path_config_source":{"path":"${path}"}`);
    const name = { san_type: 'URI', matcher: { exact: 'spiffe://example.org/control-plane' } };
    expect(text).to.contain(`"match_typed_subject_alt_names":[${JSON.stringify(name)}]`);
  });
});

describe('the bootstrap of a sidecar', () => {
  const sidecar = {
    service: 'claims',
    inbound: { host: '0.0.0.0', port: 3443 },
    outbound: { host: '::1', port: 15_001 },
    local: { host: '127.0.0.1', port: 3000 },
  };
  const text = bootstrapOf({
    ...{ node: 'claims-1', adminPort: 9902, sidecar },
    xds: [{ host: '10.0.0.9', port: 18_000 }],
  });
  const bootstrap = parse(text) as Bootstrap;

  it('says what it is, as the control plane reads it', () => {
    const said = bootstrap.node.metadata as Said;
    expect(audienceOf(said)).to.deep.equal({ audience: audienceOfSidecar(sidecar) });
  });

  it('says where its server is, by its own name', () => {
    const hostname = '127.0.0.1:3000';
    const address = { socket_address: { address: '127.0.0.1', port_value: 3000 } };
    expect(bootstrap.static_resources.clusters[1]?.load_assignment.endpoints).to.deep.equal([
      { lb_endpoints: [{ endpoint: { hostname, address } }] },
    ]);
  });

  it('leaves no blank unfilled', () => {
    expect(text.replace(/#.*$/gm, '')).not.to.match(
      /\b(NODE_ID|SERVICE|INBOUND|OUTBOUND|LOCAL_NAME|LOCAL_ADDRESS|XDS_[A-Z_]+)\b/,
    );
  });
});
