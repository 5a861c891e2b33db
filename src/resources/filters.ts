/**
 * The HTTP filters of the listeners, in one ordered table: each row says why it stands
 * where it does. And those in the clusters of services that are in a rollout.
 */
import { readFileSync } from 'node:fs';
import { callMetadata } from '../call_log.js';
import {
  clusterHeader,
  mirrorHeader,
  mirrorTargetHeader,
  reservedHeaders,
  sessionHeader,
} from '../gateway_contract.js';
import type { HttpFilter } from '../generated/envoy/extensions/filters/network/http_connection_manager/v3/HttpFilter.js';
import type { TypedExtensionConfig } from '../generated/envoy/config/core/v3/TypedExtensionConfig.js';
import { packageFile } from '../package_file.js';
import { any } from '../protos.js';
import { duration } from './duration.js';
import { filterCluster, metadataNamespace, mirrorCluster } from './names.js';

export const filterNames = {
  servicePath: 'envoy.filters.http.lua',
  externalProcessor: 'envoy.filters.http.ext_proc',
  statefulSession: 'envoy.filters.http.stateful_session',
  clusterTimeout: 'envoy.filters.http.header_mutation',
  allowed: 'envoy.filters.http.rbac',
  router: 'envoy.filters.http.router',
} as const;

type FilterKind = keyof typeof filterNames;

/** Gateway: the whole chain. Bridge: the filter service has decided already. */
export const gatewayChain: readonly FilterKind[] = [
  'servicePath', // first: names the cluster of /mcp/{service}
  'externalProcessor', // asks about /mcp; may name a cluster and a session
  'statefulSession', // after whoever sets the session: pins its host
  'clusterTimeout', // after a filter that resolves the route anew: reads the cluster's metadata
  'router',
];
export const bridgeChain: readonly FilterKind[] = ['statefulSession', 'clusterTimeout', 'router'];
/** A sidecar's server calls others: as at the gateway, and nobody is asked. */
export const outboundChain: readonly FilterKind[] = [
  'servicePath',
  'statefulSession',
  'clusterTimeout',
  'router',
];
/** Others call it: whoever the route lets in. */
export const inboundChain: readonly FilterKind[] = ['allowed', 'router'];
/** Mirror: copies have no session. */
export const mirrorChain: readonly FilterKind[] = ['clusterTimeout', 'router'];

/** What Envoy acts on when it stands in a request: never taken from a client. */
const routerHeaders = [
  'x-envoy-upstream-rq-timeout-ms',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-retry-on',
  'x-envoy-retry-grpc-on',
  'x-envoy-max-retries',
  'x-envoy-retriable-status-codes',
  'x-envoy-retriable-header-names',
  'x-envoy-hedge-on-per-try-timeout',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-stream-duration-ms',
  'x-envoy-decorator-operation',
] as const;

/**
 * By which somebody is said to call who may be somebody else. Servers behind CGI or WSGI take `_`
 * for `-`, so what is spelt so would be read beside the true one.
 */
const identityHeaders = spellingsOf('x-forwarded-client-cert');

function spellingsOf(header: string): readonly string[] {
  const [first = '', ...words] = header.split('-');
  return words.reduce<readonly string[]>(
    (spelt, word) => spelt.flatMap((start) => [`${start}-${word}`, `${start}_${word}`]),
    [first],
  );
}

/** A processing mode of ext_proc under which nothing is sent. */
export const askNothing = {
  request_header_mode: 'SKIP',
  response_header_mode: 'SKIP',
  request_body_mode: 'NONE',
  response_body_mode: 'NONE',
  request_trailer_mode: 'SKIP',
  response_trailer_mode: 'SKIP',
} as const;

/** Before any filter runs: Lua fails open, so what it would remove might stay. */
export function earlyHeaderMutation(): TypedExtensionConfig {
  return {
    name: 'envoy.http.early_header_mutation.header_mutation',
    typed_config: any(
      'envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation',
      {
        mutations: [...reservedHeaders, ...routerHeaders, ...identityHeaders].map((remove) => ({
          remove,
        })),
      },
    ),
  };
}

export function httpFilters(chain: readonly FilterKind[]): HttpFilter[] {
  return chain.map((kind) => ({ name: filterNames[kind], typed_config: filterConfigs[kind]() }));
}

const filterConfigs: Readonly<Record<FilterKind, () => ReturnType<typeof any>>> = {
  servicePath: () =>
    any('envoy.extensions.filters.http.lua.v3.Lua', {
      default_source_code: { inline_string: servicePathScript() },
    }),
  externalProcessor: () =>
    any('envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor', {
      grpc_service: { envoy_grpc: { cluster_name: filterCluster } },
      // Asked only where a route says SEND: a filter switched off on the first route
      // cannot be woken by a route chosen later.
      processing_mode: askNothing,
      allow_mode_override: true,
      message_timeout: duration(5_000),
      status_on_error: { code: 'ServiceUnavailable' },
    }),
  statefulSession: () =>
    any('envoy.extensions.filters.http.stateful_session.v3.StatefulSession', {
      session_state: {
        name: 'envoy.http.stateful_session.envelope',
        typed_config: any(
          'envoy.extensions.http.stateful_session.envelope.v3.EnvelopeSessionState',
          { header: { name: sessionHeader } },
        ),
      },
      // Never another host: a session lives where it was made.
      strict: true,
      status_on_strict_destination_not_found: 404,
    }),
  clusterTimeout: () =>
    any('envoy.extensions.filters.http.header_mutation.v3.HeaderMutation', {
      mutations: {
        request_mutations: [
          {
            append: {
              header: {
                // Per try, because it ends with the first byte of the answer: a stream lives on.
                key: 'x-envoy-upstream-rq-per-try-timeout-ms',
                value: `%CLUSTER_METADATA(${metadataNamespace}:timeout_ms)%`,
              },
              append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
            },
          },
        ],
      },
    }),
  // Nobody: the route says who may, so that a change of it touches no connection.
  allowed: () => any('envoy.extensions.filters.http.rbac.v3.RBAC', { rules: {} }),
  router: () => any('envoy.extensions.filters.http.router.v3.Router', {}),
};

/**
 * In the clusters of a service in a rollout: each call's outcome is seen, by a script that reads
 * answers as they pass. Compressed ones it could not read, so none are asked for.
 */
export function watchingFilters(): HttpFilter[] {
  return [
    {
      name: 'plain_answers',
      typed_config: any('envoy.extensions.filters.http.header_mutation.v3.HeaderMutation', {
        mutations: { request_mutations: [{ remove: 'accept-encoding' }] },
      }),
    },
    {
      name: 'outcome_scan',
      typed_config: any('envoy.extensions.filters.http.lua.v3.Lua', {
        default_source_code: { inline_string: outcomeScanScript() },
      }),
    },
    {
      name: 'envoy.filters.http.upstream_codec',
      typed_config: any('envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec', {}),
    },
  ];
}

const servicePathScript = template('envoy/service_path.lua', [
  clusterHeader,
  sessionHeader,
  mirrorHeader,
  mirrorTargetHeader,
  mirrorCluster,
]);

const outcomeScanScript = template('envoy/outcome_scan.lua', Object.values(callMetadata));

/** A script that is read once, and must name all of `words` as the other side does. */
function template(path: string, words: readonly string[]): () => string {
  let script: string | undefined;
  return () => {
    script ??= readFileSync(packageFile(path), 'utf8');
    for (const word of words)
      if (!script.includes(`"${word}"`)) throw new Error(`${path} must name "${word}"`);
    return script;
  };
}
