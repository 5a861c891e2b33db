/**
 * What the gateway's script is told of services in a rollout, as metadata of the one route of
 * all services. It is sent again only when a rule changes; everything else leaves it alone.
 */
import { mirrorHeader } from '../gateway_contract.js';
import type { Route } from '../generated/envoy/config/route/v3/Route.js';
import type { Struct } from '../generated/google/protobuf/Struct.js';
import type { Value } from '../generated/google/protobuf/Value.js';
import { filterNames } from './filters.js';
import type { RouteRule } from './rollout.js';

/** Service → its rule, sorted by service. */
export type RouteRules = readonly (readonly [string, RouteRule])[];

export function ruledRoute(route: Route, rules: RouteRules): Route {
  if (rules.length === 0) return route;
  const fields = Object.fromEntries(rules.map(([service, rule]) => [service, ruleValue(rule)]));
  return {
    ...route,
    metadata: { filter_metadata: { [filterNames.servicePath]: { fields } } },
    ...(rules.some(([, { mirror }]) => mirror) ? { route: { ...route.route, ...mirrored } } : {}),
  };
}

/**
 * A copy goes to the cluster that the header names; without it there is none. It is read after
 * everything that could take it off, so the server of the call itself sees it too; the copy
 * does not.
 */
const mirrored = {
  request_mirror_policies: [
    { cluster_header: mirrorHeader, disable_shadow_host_suffix_append: true },
  ],
};

/** Maps are encoded in the order of their keys: they stand sorted. */
function ruleValue({ cluster, match, mirror }: RouteRule): Value {
  const rules = match.map((rule) =>
    struct(
      'header' in rule
        ? { header: text(rule.header), value: text(rule.value) }
        : { principal: text(rule.principal) },
    ),
  );
  const tools = mirror?.readOnlyTools.map((name) => [name, { boolValue: true }] as const) ?? [];
  return struct({
    // By this name a snapshot knows that the route leads there, and the order waits for it.
    cluster: text(cluster),
    match: { listValue: { values: rules } },
    ...(mirror && {
      mirror: { numberValue: mirror.share },
      readOnly: struct(Object.fromEntries(tools)),
    }),
  });
}

const text = (stringValue: string): Value => ({ stringValue });

const struct = (fields: NonNullable<Struct['fields']>): Value => ({ structValue: { fields } });
