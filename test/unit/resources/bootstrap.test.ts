import { expect } from 'chai';
import { parse } from 'yaml';
import { edgeBootstrap } from '../../../src/resources/bootstrap.js';

interface Bootstrap {
  readonly node: { readonly id: string; readonly metadata: object };
  readonly admin: { readonly address: object };
  readonly static_resources: { readonly clusters: readonly { readonly load_assignment: object }[] };
}

const made = (node: string, host = '10.0.0.9') =>
  parse(edgeBootstrap({ node, xds: { host, port: 18_001 }, adminPort: 9902 })) as Bootstrap;

describe('the bootstrap of an edge Envoy', () => {
  it('says who it is, where its control plane is, and its admin port on loopback', () => {
    const { node, admin, static_resources: own } = made('edge-1');
    expect(node).to.deep.include({ id: 'edge-1', metadata: { role: 'edge' } });
    expect(admin.address).to.deep.equal({
      socket_address: { address: '127.0.0.1', port_value: 9902 },
    });
    expect(own.clusters[0]?.load_assignment)
      .to.have.nested.property('endpoints[0].lb_endpoints[0].endpoint.address.socket_address')
      .that.deep.equals({ address: '10.0.0.9', port_value: 18_001 });
  });

  for (const node of ['a: b', '*', '"', "it's", '$&', 'NODE_ID', 'XDS_PORT', '{x}', '# no'])
    it(`takes any name of a node as it is: ${node}`, () => {
      expect(made(node).node.id).to.equal(node);
    });

  it('takes an IPv6 address of the control plane', () => {
    expect(JSON.stringify(made('edge', '::1'))).to.include('"address":"::1"');
  });

  it('leaves no blank unfilled', () => {
    const text = edgeBootstrap({ node: 'edge', xds: { host: 'xds', port: 1 }, adminPort: 2 });
    const settings = text.replace(/#.*$/gm, '');
    expect(settings).not.to.match(/\b(NODE_ID|ADMIN_PORT|XDS_HOST|XDS_PORT)\b/);
  });
});
