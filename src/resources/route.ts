/**
 * Routes: constant, whatever the fleet holds. The cluster is named by a header
 * that only we can set; path and timeout come from that cluster's metadata. Only where
 * a rollout matches callers or mirrors calls does the route carry what the script needs.
 */
import {
  aggregatePath,
  clusterHeader,
  mirrorHeader,
  mirrorTargetHeader,
  requestBodyMax,
  sessionHeader,
} from '../gateway_contract.js';
import type { HeaderMatcher } from '../generated/envoy/config/route/v3/HeaderMatcher.js';
import type { Route } from '../generated/envoy/config/route/v3/Route.js';
import type { RouteAction } from '../generated/envoy/config/route/v3/RouteAction.js';
import type { RouteConfiguration } from '../generated/envoy/config/route/v3/RouteConfiguration.js';
import { any } from '../protos.js';
import { duration } from './duration.js';
import { askNothing, filterNames } from './filters.js';
import {
  bridgeCluster,
  bridgeListener,
  gatewayListener,
  inboundListener,
  localCluster,
  metadataNamespace,
  mirrorListener,
  outboundListener,
} from './names.js';
import { ruledRoute, type RouteRules } from './route_rules.js';
import type { ResourceSettings } from './settings.js';

/** To the cluster the header names, on the path that cluster's servers listen on. */
const toService: RouteAction = {
  cluster_header: clusterHeader,
  cluster_not_found_response_code: 'NOT_FOUND',
  // No limit on the whole answer: it may be a stream. The time to its first byte is
  // limited by the service's own timeout (a per-try timeout, set in `filters`).
  timeout: duration(0),
  path_rewrite: `%CLUSTER_METADATA(${metadataNamespace}:path)%`,
  auto_host_rewrite: { value: true },
};

export function bridgeRoutes(): RouteConfiguration {
  return {
    name: bridgeListener,
    virtual_hosts: [
      {
        name: 'servers',
        domains: ['*'],
        routes: [{ name: 'service', match: { prefix: '/' }, route: toService }],
      },
    ],
    request_headers_to_remove: [clusterHeader],
  };
}

export function mirrorRoutes(): RouteConfiguration {
  return {
    name: mirrorListener,
    virtual_hosts: [
      {
        name: 'copies',
        domains: ['*'],
        routes: [
          {
            name: 'copy',
            match: { prefix: '/' },
            route: { ...toService, cluster_header: mirrorTargetHeader },
          },
        ],
      },
    ],
    request_headers_to_remove: [mirrorHeader, mirrorTargetHeader, clusterHeader],
  };
}

export function gatewayRoutes(
  { gateway }: ResourceSettings,
  rules: RouteRules = [],
): RouteConfiguration {
  const anyHost = gateway.allowedHosts.includes('*');
  return {
    name: gatewayListener,
    ignore_port_in_host_matching: true,
    request_headers_to_remove: [clusterHeader],
    virtual_hosts: [
      {
        name: 'gateway',
        domains: anyHost ? ['*'] : [...new Set(gateway.allowedHosts)].sort(),
        routes: [...foreignOrigins(gateway), ...gatewayPaths(rules)],
      },
      ...(anyHost
        ? []
        : [
            {
              name: 'foreign-hosts',
              domains: ['*'],
              routes: [refusal('foreign-host', 403, 'This Host is not served here.')],
            },
          ]),
    ],
  };
}

/** Of a sidecar's server to others: only who is on this machine, and only MCP servers. */
export function outboundRoutes(rules: RouteRules): RouteConfiguration {
  const allowedHosts = ['127.0.0.1', '[::1]', 'localhost'];
  return {
    name: outboundListener,
    ignore_port_in_host_matching: true,
    request_headers_to_remove: [clusterHeader],
    virtual_hosts: [
      {
        name: 'services',
        domains: allowedHosts,
        routes: [
          ...foreignOrigins({ allowedHosts, allowedOrigins: [] }),
          oneService(rules),
          refusal('elsewhere', 404, 'Nothing here. Services are at /mcp/{service}.'),
        ],
      },
    ],
  };
}

/** To the server beside a sidecar, of those who may call it; as they asked, and once. */
export function inboundRoutes(allowed: readonly string[]): RouteConfiguration {
  return {
    name: inboundListener,
    virtual_hosts: [
      {
        name: 'server',
        domains: ['*'],
        routes: [
          {
            name: 'server',
            match: { prefix: '/' },
            route: {
              cluster: localCluster,
              timeout: duration(0),
              auto_host_rewrite: { value: true },
            },
            typed_per_filter_config: { [filterNames.allowed]: allowing(allowed) },
          },
        ],
      },
    ],
  };
}

/** By the one URI of their certificates. */
function allowing(spiffeIds: readonly string[]) {
  const principals = [...spiffeIds].sort().map((exact) => ({
    authenticated: { principal_name: { exact } },
  }));
  const policies = { callers: { permissions: [{ any: true }], principals } };
  return any('envoy.extensions.filters.http.rbac.v3.RBACPerRoute', {
    // A policy needs somebody.
    rbac: { rules: { action: 'ALLOW', policies: principals.length > 0 ? policies : {} } },
  });
}

/** In the order Envoy tries them. */
function gatewayPaths(rules: RouteRules): Route[] {
  return [
    {
      name: 'health',
      match: { path: '/healthz' },
      direct_response: { status: 200, body: { inline_string: 'ok\n' } },
    },
    {
      // Lane 2: the filter service named the cluster.
      name: 'aggregate-decided',
      match: { path: aggregatePath, headers: [{ name: clusterHeader, present_match: true }] },
      route: toService,
      // Legacy servers repeat their session's id on every answer; the client knows the sealed one.
      response_headers_to_remove: [sessionHeader],
    },
    {
      name: 'aggregate',
      match: { path: aggregatePath },
      route: { cluster: bridgeCluster, timeout: duration(0) },
      typed_per_filter_config: askTheFilterService(),
      request_body_buffer_limit: { value: requestBodyMax },
    },
    oneService(rules),
    refusal('elsewhere', 404, 'Nothing here. MCP is at /mcp (all tools) and /mcp/{service}.'),
  ];
}

/** Lane 1: the path names the service, and perhaps one version of it. */
const oneService = (rules: RouteRules): Route =>
  ruledRoute(
    {
      name: 'service',
      match: { safe_regex: { regex: `${aggregatePath}/[a-z0-9-]+(@[0-9A-Za-z.+-]+)?/?` } },
      route: toService,
    },
    rules,
  );

const askTheFilterService = (): NonNullable<Route['typed_per_filter_config']> => ({
  [filterNames.externalProcessor]: any(
    'envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute',
    // It replaces the filter's whole mode, and DEFAULT would send the answers too.
    { overrides: { processing_mode: { ...askNothing, request_header_mode: 'SEND' } } },
  ),
  // A sealed session id is not Envoy's envelope: leave it to the filter service.
  [filterNames.statefulSession]: any(
    'envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute',
    { disabled: true },
  ),
});

/** Browsers send Origin: only pages of allowed hosts and origins may call (DNS rebinding). */
function foreignOrigins({
  allowedHosts,
  allowedOrigins,
}: Pick<ResourceSettings['gateway'], 'allowedHosts' | 'allowedOrigins'>): Route[] {
  if (allowedOrigins.includes('*') || allowedHosts.includes('*')) return [];
  const hosts = allowedHosts.map((host) => `https?://${escaped(host)}(:[0-9]+)?`);
  const allowed = [...hosts, ...allowedOrigins.map(escaped)].join('|');
  const foreign: HeaderMatcher[] = [
    { name: 'origin', present_match: true },
    { name: 'origin', string_match: { safe_regex: { regex: allowed } }, invert_match: true },
  ];
  return [refusal('foreign-origin', 403, 'This Origin is not allowed.', foreign)];
}

const escaped = (text: string): string => text.replace(/[\\^$.*|?+()[\]{}]/g, '\\$&');

function refusal(name: string, status: number, message: string, headers?: HeaderMatcher[]): Route {
  const body = { jsonrpc: '2.0', id: null, error: { code: status, message } };
  return {
    name,
    match: { prefix: '/', ...(headers === undefined ? {} : { headers }) },
    direct_response: { status, body: { inline_string: JSON.stringify(body) } },
    response_headers_to_add: [
      {
        header: { key: 'content-type', value: 'application/json' },
        append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
      },
    ],
  };
}
