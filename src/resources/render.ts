/**
 * Fleet → every message an audience gets, encoded. The rendering of a service
 * that did not change is remembered by identity, so the cost of a change
 * follows what changed and not how many services there are.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ServiceChange } from '../fleet/changes.js';
import type { Fleet, Service } from '../fleet/fleet.js';
import { encode } from '../protos.js';
import type {
  EncodedChanges,
  EncodedResource,
  EncodedResources,
  ResourceKind,
} from '../snapshot/snapshot.js';
import {
  filterServiceClusters,
  mirrorClusterOf,
  serviceCluster,
  versionCluster,
} from './cluster.js';
import { loadAssignment, versionAssignment } from './endpoint.js';
import {
  bridgeListenerResource,
  gatewayListenerResource,
  mirrorListenerResource,
} from './listener.js';
import { routeRule, versionApart, type RouteRule } from './rollout.js';
import { bridgeRoutes, gatewayRoutes, mirrorRoutes } from './route.js';
import type { RouteRules } from './route_rules.js';
import type { ResourceSettings } from './settings.js';

const messageTypes = {
  cluster: 'envoy.config.cluster.v3.Cluster',
  endpoint: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'envoy.config.listener.v3.Listener',
  secret: 'envoy.extensions.transport_sockets.tls.v3.Secret',
  route: 'envoy.config.route.v3.RouteConfiguration',
} as const satisfies Record<ResourceKind, string>;

/** What an edge Envoy gets: both listeners, their routes, and every service. */
export function renderEdge(fleet: Fleet, settings: ResourceSettings): EncodedResources {
  const own = renderOwn(settings);
  const services = fleet.services.map(renderService);
  return {
    cluster: [...own.cluster, ...services.flatMap(({ cluster }) => cluster)],
    endpoint: services.flatMap(({ endpoint }) => endpoint),
    listener: own.listener,
    secret: [],
    route: routes(settings, rulesOf(fleet)),
  };
}

/** The same for what differs in the services, now that the whole fleet is `fleet`. */
export function renderChanges(
  changes: readonly ServiceChange[],
  fleet: Fleet,
  settings: ResourceSettings,
): EncodedChanges {
  const own = new Set(renderOwn(settings).cluster.map(({ name }) => name));
  const mine = changes.find(({ name }) => own.has(name));
  if (mine) throw new Error(`The name "${mine.name}" is MCPX's own: rename that service`);
  const touchesRules = changes.some(
    ({ before, after }) =>
      !isDeepStrictEqual(before && routeRule(before), after && routeRule(after)),
  );
  return {
    cluster: changes.flatMap((change) => differences(change, 'cluster')),
    endpoint: changes.flatMap((change) => differences(change, 'endpoint')),
    ...(touchesRules && { route: [gatewayRoute(settings, rulesOf(fleet))] }),
  };
}

/** What is there after the change, and the names of what is there no more. */
function differences(
  { before, after }: ServiceChange,
  kind: keyof RenderedService,
): readonly (readonly [string, Buffer | undefined])[] {
  const present = after ? renderService(after)[kind] : [];
  const names = new Set(present.map(({ name }) => name));
  const gone = (before ? renderService(before)[kind] : []).filter(({ name }) => !names.has(name));
  return [
    ...gone.map(({ name }) => [name, undefined] as const),
    ...present.map(({ name, bytes }) => [name, bytes] as const),
  ];
}

/** What the route must carry; asked of all services only when one of them says otherwise. */
function rulesOf({ services }: Fleet): RouteRules {
  return services.flatMap((service): (readonly [string, RouteRule])[] => {
    const rule = routeRule(service);
    return rule ? [[service.name, rule]] : [];
  });
}

interface RenderedService {
  readonly cluster: readonly EncodedResource[];
  readonly endpoint: readonly EncodedResource[];
}

const services = new WeakMap<Service, RenderedService>();

function renderService(service: Service): RenderedService {
  const known = services.get(service);
  if (known) return known;
  const apart = versionApart(service);
  const rendered = {
    cluster: [
      render('cluster', serviceCluster(service)),
      ...(apart === undefined ? [] : [render('cluster', versionCluster(service, apart))]),
    ],
    endpoint: [
      render('endpoint', loadAssignment(service)),
      ...(apart === undefined ? [] : [render('endpoint', versionAssignment(service, apart))]),
    ],
  };
  services.set(service, rendered);
  return rendered;
}

const own = new WeakMap<ResourceSettings, Omit<EncodedResources, 'endpoint' | 'secret'>>();

function renderOwn(settings: ResourceSettings): Omit<EncodedResources, 'endpoint' | 'secret'> {
  const known = own.get(settings);
  if (known) return known;
  const rendered = {
    cluster: [...filterServiceClusters(settings), mirrorClusterOf(settings)].map((cluster) =>
      render('cluster', cluster),
    ),
    listener: [
      render('listener', bridgeListenerResource(settings)),
      render('listener', gatewayListenerResource(settings)),
      render('listener', mirrorListenerResource(settings)),
    ],
    route: [bridgeRoutes(), gatewayRoutes(settings), mirrorRoutes()].map((route) =>
      render('route', route),
    ),
  };
  own.set(settings, rendered);
  return rendered;
}

function routes(settings: ResourceSettings, rules: RouteRules): readonly EncodedResource[] {
  const constant = renderOwn(settings).route;
  if (rules.length === 0) return constant;
  const [name, bytes] = gatewayRoute(settings, rules);
  return constant.map((route) => (route.name === name ? { name, bytes } : route));
}

function gatewayRoute(settings: ResourceSettings, rules: RouteRules): readonly [string, Buffer] {
  const { name, bytes } = render('route', gatewayRoutes(settings, rules));
  return [name, bytes];
}

function render(
  kind: ResourceKind,
  message: { name?: string; cluster_name?: string },
): EncodedResource {
  const name = message.cluster_name ?? message.name ?? '';
  return { name, bytes: encode(messageTypes[kind], message) };
}
