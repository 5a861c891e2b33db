/**
 * Fleet → every message an audience gets, encoded. The rendering of a service
 * that did not change is remembered by identity, so the cost of a change
 * follows what changed and not how many services there are.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ServiceChange } from '../fleet/changes.js';
import type { Fleet, Service } from '../fleet/fleet.js';
import { encode } from '../protos.js';
import type { Sidecar } from '../snapshot/audience.js';
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
import type { Credentials, GatewayCertificate } from './credentials.js';
import { loadAssignment, versionAssignment } from './endpoint.js';
import {
  bridgeListenerResource,
  gatewayListenerResource,
  inboundListenerResource,
  mirrorListenerResource,
  outboundListenerResource,
} from './listener.js';
import { routeRule, versionApart, type RouteRule } from './rollout.js';
import {
  bridgeRoutes,
  gatewayRoutes,
  inboundRoutes,
  mirrorRoutes,
  outboundRoutes,
} from './route.js';
import type { RouteRules } from './route_rules.js';
import { gatewaySecrets, ownSecret, rootsSecret, serverRootsSecret } from './secret.js';
import type { ResourceSettings } from './settings.js';
import { idOf } from './transport_socket.js';

const messageTypes = {
  cluster: 'envoy.config.cluster.v3.Cluster',
  endpoint: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'envoy.config.listener.v3.Listener',
  secret: 'envoy.extensions.transport_sockets.tls.v3.Secret',
  route: 'envoy.config.route.v3.RouteConfiguration',
} as const satisfies Record<ResourceKind, string>;

/** What certificates are there, for an edge. */
export interface EdgeSecrets {
  readonly credentials?: Credentials | undefined;
  readonly gateway?: GatewayCertificate | undefined;
}

/** What an edge Envoy gets: its listeners, their routes, and every service. */
export function renderEdge(
  fleet: Fleet,
  settings: ResourceSettings,
  secrets: EdgeSecrets = {},
): EncodedResources {
  const own = renderOwn(settings);
  const services = fleet.services.map((service) => renderService(service, secrets.credentials));
  return {
    cluster: [...own.cluster, ...services.flatMap(({ cluster }) => cluster)],
    endpoint: services.flatMap(({ endpoint }) => endpoint),
    listener: own.listener,
    secret: renderSecrets(secrets),
    route: routes(settings, rulesOf(fleet.services)),
  };
}

/** Those that nothing names yet are there, and Envoy does not ask for them. */
export function renderSecrets({ credentials, gateway }: EdgeSecrets): readonly EncodedResource[] {
  return [
    ...(credentials
      ? [...renderOwnSecrets(credentials), serverRoots(credentials.serverRoots)]
      : []),
    ...(gateway ? gatewaySecrets(gateway).map((secret) => render('secret', secret)) : []),
  ];
}

const renderOwnSecrets = (credentials: Credentials): readonly EncodedResource[] => [
  render('secret', ownSecret(credentials)),
  roots(credentials.roots),
];

// Alike for most sidecars, and long.
const roots = lastRendered('secret', rootsSecret);
const serverRoots = lastRendered('secret', serverRootsSecret);
const inbound = lastRendered('listener', inboundListenerResource);
const outbound = lastRendered('listener', outboundListenerResource);
const calls = lastRendered('route', outboundRoutes);

function lastRendered<T>(
  kind: ResourceKind,
  make: (of: T) => { name?: string },
): (of: T) => EncodedResource {
  let last: { readonly of: T; readonly rendered: EncodedResource } | undefined;
  return (of) => {
    if (!last || !isDeepStrictEqual(last.of, of)) last = { of, rendered: render(kind, make(of)) };
    return last.rendered;
  };
}

/** What the sidecar of a service gets. */
export interface SidecarView {
  readonly sidecar: Sidecar;
  /** Workloads that may call its server. */
  readonly callers: readonly string[];
  /** The services that its server calls, of those that are there. */
  readonly called: readonly Service[];
}

export function renderSidecar(
  { sidecar, callers, called }: SidecarView,
  credentials: Credentials,
): EncodedResources {
  const services = called.map((service) => renderService(service, credentials));
  const allowed = callers.map((workload) => idOf(workload, credentials));
  // Copies of calls are the edge's matter.
  const rules = rulesOf(called).flatMap(([service, { cluster, match }]) =>
    match.length > 0 ? [[service, { cluster, match, mirror: undefined }] as const] : [],
  );
  return {
    cluster: services.flatMap(({ cluster }) => cluster),
    endpoint: services.flatMap(({ endpoint }) => endpoint),
    listener: [inbound(sidecar.inbound), outbound(sidecar.outbound)],
    secret: [
      ...renderOwnSecrets(credentials),
      ...(called.some(asksByTls) ? [serverRoots(credentials.serverRoots)] : []),
    ],
    route: [render('route', inboundRoutes(allowed)), calls(rules)],
  };
}

const asksByTls = ({ instances }: Service): boolean =>
  instances.some(({ tls }) => tls.mode === 'tls');

/** The same for what differs in the services, now that the whole fleet is `fleet`. */
export function renderChanges(
  changes: readonly ServiceChange[],
  fleet: Fleet,
  settings: ResourceSettings,
  credentials?: Credentials,
): EncodedChanges {
  const own = new Set(renderOwn(settings).cluster.map(({ name }) => name));
  const mine = changes.find(({ name }) => own.has(name));
  if (mine) throw new Error(`The name "${mine.name}" is MCPX's own: rename that service`);
  const touchesRules = changes.some(
    ({ before, after }) =>
      !isDeepStrictEqual(before && routeRule(before), after && routeRule(after)),
  );
  return {
    cluster: changes.flatMap((change) => differences(change, 'cluster', credentials)),
    endpoint: changes.flatMap((change) => differences(change, 'endpoint', credentials)),
    ...(touchesRules && { route: [gatewayRoute(settings, rulesOf(fleet.services))] }),
  };
}

/** What is there after the change, and the names of what is there no more. */
function differences(
  { before, after }: ServiceChange,
  kind: keyof RenderedResources,
  credentials: Credentials | undefined,
): readonly (readonly [string, Buffer | undefined])[] {
  const present = after ? renderService(after, credentials)[kind] : [];
  const names = new Set(present.map(({ name }) => name));
  const had = before ? renderService(before, credentials)[kind] : [];
  const gone = had.filter(({ name }) => !names.has(name));
  return [
    ...gone.map(({ name }) => [name, undefined] as const),
    ...present.map(({ name, bytes }) => [name, bytes] as const),
  ];
}

/** What the route must carry; asked of all services only when one of them says otherwise. */
function rulesOf(services: readonly Service[]): RouteRules {
  return services.flatMap((service): (readonly [string, RouteRule])[] => {
    const rule = routeRule(service);
    return rule ? [[service.name, rule]] : [];
  });
}

interface RenderedResources {
  readonly cluster: readonly EncodedResource[];
  readonly endpoint: readonly EncodedResource[];
}

interface RenderedService extends RenderedResources {
  /** As whom it was expected to answer; undefined without certificates. */
  readonly id: string | undefined;
}

const services = new WeakMap<Service, RenderedService>();

function renderService(service: Service, credentials: Credentials | undefined): RenderedResources {
  const id = credentials && idOf(service.name, credentials);
  const known = services.get(service);
  if (known && known.id === id) return known;
  const rendered = {
    id,
    ...renderAnew(credentials ? service : inClearAlone(service), credentials),
  };
  services.set(service, rendered);
  return rendered;
}

/** Certificates may have been there once: what asks for them is not sent in clear now. */
function inClearAlone(service: Service): Service {
  const instances = service.instances.filter(({ tls }) => tls.mode === 'off');
  return instances.length === service.instances.length ? service : { ...service, instances };
}

function renderAnew(service: Service, credentials: Credentials | undefined): RenderedResources {
  const apart = versionApart(service);
  const clusters = [serviceCluster(service, credentials)];
  const assignments = [loadAssignment(service, credentials)];
  if (apart !== undefined) {
    clusters.push(versionCluster(service, apart, credentials));
    assignments.push(versionAssignment(service, apart, credentials));
  }
  return {
    cluster: clusters.map((cluster) => render('cluster', cluster)),
    endpoint: assignments.map((assignment) => render('endpoint', assignment)),
  };
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
