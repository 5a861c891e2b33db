/**
 * Listeners: the gateway for agents, the bridge by which the filter service calls servers, and
 * the mirror through which copies of calls pass, so that they are logged like any other.
 */
import { callLine, callMetadata, failureFlags } from '../call_log.js';
import type { AccessLog } from '../generated/envoy/config/accesslog/v3/AccessLog.js';
import type { TransportSocket } from '../generated/envoy/config/core/v3/TransportSocket.js';
import type { AccessLogFilter } from '../generated/envoy/config/accesslog/v3/AccessLogFilter.js';
import type { Place } from '../snapshot/audience.js';
import type { Address } from '../generated/envoy/config/core/v3/Address.js';
import type { Listener } from '../generated/envoy/config/listener/v3/Listener.js';
import type { HttpConnectionManager } from '../generated/envoy/extensions/filters/network/http_connection_manager/v3/HttpConnectionManager.js';
import { any } from '../protos.js';
import { pipeAddress, socketAddress } from './address.js';
import { duration } from './duration.js';
import {
  bridgeChain,
  earlyHeaderMutation,
  gatewayChain,
  httpFilters,
  inboundChain,
  mirrorChain,
  outboundChain,
} from './filters.js';
import { inboundReplies, localReplies } from './local_reply.js';
import { bootstrapCluster } from '../snapshot/references.js';
import {
  bridgeListener,
  gatewayListener,
  inboundListener,
  mirrorListener,
  outboundListener,
} from './names.js';
import { mirrorSocket, type ResourceSettings } from './settings.js';
import { gatewaySocket, inboundSocket } from './transport_socket.js';

const connectionManager =
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

/** Whoever calls there is believed nothing. */
const guarded = (): HttpConnectionManager => ({
  early_header_mutation_extensions: [earlyHeaderMutation()],
  use_remote_address: { value: true },
  // A client that dawdles over its headers is cut; a stream of answers never is.
  request_headers_timeout: duration(10_000),
  http2_protocol_options: { max_concurrent_streams: { value: 1_000 } },
});

const pathsReadOneWay = {
  normalize_path: { value: true },
  merge_slashes: true,
  path_with_escaped_slashes_action: 'REJECT_REQUEST',
} as const;

export function gatewayListenerResource({ gateway }: ResourceSettings): Listener {
  const address = socketAddress(gateway.host, gateway.port);
  const listener = httpListener(gatewayListener, address, {
    ...guarded(),
    ...pathsReadOneWay,
    http_filters: httpFilters(gatewayChain),
  });
  const { certificate, clients } = gateway.tls;
  return certificate === '' ? listener : withSocket(listener, gatewaySocket(clients !== ''));
}

/** Where others call the server beside a sidecar: it sees who they are, and they not what it is. */
export function inboundListenerResource({ host, port }: Place): Listener {
  const listener = httpListener(inboundListener, socketAddress(host, port), {
    ...guarded(),
    http_filters: httpFilters(inboundChain),
    forward_client_cert_details: 'SANITIZE_SET',
    set_current_client_cert_details: { uri: true },
    local_reply_config: inboundReplies(),
    access_log: [],
  });
  return withSocket(listener, inboundSocket());
}

/** Where the server beside a sidecar calls others. */
export function outboundListenerResource({ host, port }: Place): Listener {
  return httpListener(outboundListener, socketAddress(host, port), {
    ...guarded(),
    ...pathsReadOneWay,
    http_filters: httpFilters(outboundChain),
    // The judge of rollouts hears the edges.
    access_log: [],
  });
}

function withSocket(listener: Listener, transport_socket: TransportSocket): Listener {
  const { filter_chains = [] } = listener;
  return {
    ...listener,
    filter_chains: filter_chains.map((chain) => ({ ...chain, transport_socket })),
  };
}

export function bridgeListenerResource({ bridgeSocket }: ResourceSettings): Listener {
  return httpListener(bridgeListener, pipeAddress(bridgeSocket), {
    http_filters: httpFilters(bridgeChain),
  });
}

export function mirrorListenerResource(settings: ResourceSettings): Listener {
  return httpListener(mirrorListener, pipeAddress(mirrorSocket(settings)), {
    http_filters: httpFilters(mirrorChain),
  });
}

/** To the control plane, of calls that are in a sample or failed without an answer. */
function callLog(): AccessLog {
  const { namespace } = callMetadata;
  return {
    name: 'envoy.access_loggers.open_telemetry',
    filter: { and_filter: { filters: [{ or_filter: { filters: toldOf } }, ...calls] } },
    typed_config: any(
      'envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig',
      {
        log_name: namespace,
        grpc_service: { envoy_grpc: { cluster_name: bootstrapCluster } },
        buffer_flush_interval: duration(1_000),
        buffer_size_bytes: { value: 65_536 },
        disable_builtin_labels: true,
        body: { string_value: callLine },
      },
    ),
  };
}

/**
 * The first are those of services in a rollout, the second of all: only the filter of a cluster
 * knows of rollouts, and it does not run for what gets no answer.
 */
const toldOf: AccessLogFilter[] = [
  {
    metadata_filter: {
      matcher: {
        filter: callMetadata.namespace,
        path: [{ key: callMetadata.share }],
        value: { present_match: true },
      },
      match_if_key_not_found: { value: false },
    },
  },
  { response_flag_filter: { flags: Object.values(failureFlags).flat() } },
];

/**
 * Calls are POSTs of these methods: what only listens lasts as long as the agent likes, and lists,
 * which hardly ever fail, would hide calls that do. Legacy agents do not name the method.
 */
const calls: AccessLogFilter[] = [
  { header_filter: { header: { name: ':method', string_match: { exact: 'POST' } } } },
  {
    header_filter: {
      header: {
        name: 'mcp-method',
        string_match: { safe_regex: { regex: '(tools/call|prompts/get|resources/read)?' } },
        treat_missing_header_as_empty: true,
      },
    },
  },
];

function httpListener(name: string, address: Address, options: HttpConnectionManager): Listener {
  return {
    name,
    address,
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: any(connectionManager, {
              stat_prefix: name,
              codec_type: 'AUTO',
              rds: {
                route_config_name: name,
                config_source: { ads: {}, resource_api_version: 'V3' },
              },
              stream_idle_timeout: duration(0),
              server_name: 'mcpx',
              local_reply_config: localReplies(),
              access_log: [callLog()],
              ...options,
            }),
          },
        ],
      },
    ],
  };
}
