import { expect } from 'chai';
import {
  any,
  decode,
  discoveryService,
  encode,
  externalProcessorService,
} from '../../../src/protos.js';

const cluster = 'envoy.config.cluster.v3.Cluster';
const manager = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const options = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

describe('protos', () => {
  it('reads a cluster with a retry policy again as it was written', () => {
    const bytes = encode(cluster, {
      name: 'claims',
      connect_timeout: { seconds: 5 },
      type: 'EDS',
      typed_extension_protocol_options: {
        [options]: any(options, {
          explicit_http_config: { http_protocol_options: {} },
          retry_policy: { retry_on: 'connect-failure', num_retries: { value: 3 } },
        }),
      },
    });
    expect(decode(cluster, bytes)).to.deep.equal({
      name: 'claims',
      connect_timeout: { seconds: 5 },
      type: 'EDS',
      typed_extension_protocol_options: {
        [options]: {
          '@type': `type.googleapis.com/${options}`,
          explicit_http_config: { http_protocol_options: {} },
          retry_policy: { retry_on: 'connect-failure', num_retries: { value: 3 } },
        },
      },
    });
  });

  it('reads a connection manager with session envelope and ext_proc again as written', () => {
    const session = 'envoy.extensions.filters.http.stateful_session.v3.StatefulSession';
    const envelope = 'envoy.extensions.http.stateful_session.envelope.v3.EnvelopeSessionState';
    const processor = 'envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor';
    const bytes = encode(manager, {
      stat_prefix: 'edge',
      http_filters: [
        {
          name: 'session',
          typed_config: any(session, {
            strict: true,
            status_on_strict_destination_not_found: 404,
            session_state: {
              name: 'envelope',
              typed_config: any(envelope, { header: { name: 'mcp-session-id' } }),
            },
          }),
        },
        {
          name: 'processor',
          typed_config: any(processor, {
            status_on_error: { code: 'ServiceUnavailable' },
            route_cache_action: 'RETAIN',
          }),
        },
      ],
    });
    const filters = decode(manager, bytes).http_filters ?? [];
    expect(filters.map((filter) => filter.typed_config)).to.deep.equal([
      {
        '@type': `type.googleapis.com/${session}`,
        strict: true,
        status_on_strict_destination_not_found: 404,
        session_state: {
          name: 'envelope',
          typed_config: {
            '@type': `type.googleapis.com/${envelope}`,
            header: { name: 'mcp-session-id' },
          },
        },
      },
      {
        '@type': `type.googleapis.com/${processor}`,
        status_on_error: { code: 'ServiceUnavailable' },
        route_cache_action: 'RETAIN',
      },
    ]);
  });

  it('gives equal bytes for equal input (point 14)', () => {
    const write = () => encode(cluster, { name: 'claims', metadata: { filter_metadata: {} } });
    expect(write().equals(write())).to.be.true;
  });

  it('does not compile a misspelt field', () => {
    // @ts-expect-error the field is called `name`
    const bytes = encode(cluster, { nam: 'claims' });
    expect(bytes).to.have.length(0);
  });

  it('says which file to extend when a message was not loaded', () => {
    expect(() => any('envoy.nothing.v3.Nothing', undefined as never)).to.throw(
      'control_plane.proto',
    );
  });

  it('knows the two services', () => {
    expect(discoveryService().DeltaAggregatedResources.path).to.equal(
      '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
    );
    expect(externalProcessorService().Process.path).to.equal(
      '/envoy.service.ext_proc.v3.ExternalProcessor/Process',
    );
  });
});
