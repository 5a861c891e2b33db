import { expect } from 'chai';
import { parse } from 'yaml';
import { edgeBootstrap } from '../../../src/resources/bootstrap.js';

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
  return parse(edgeBootstrap({ node, xds, adminPort: 9902 })) as Bootstrap;
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
    const text = edgeBootstrap({ node: 'edge', xds: [{ host: 'xds', port: 1 }], adminPort: 2 });
    const settings = text.replace(/#.*$/gm, '');
    expect(settings).not.to.match(/\b(API_TYPE|NODE_ID|ADMIN_PORT|XDS_ENDPOINTS)\b/);
  });
});
