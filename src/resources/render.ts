/**
 * Fleet → every message an audience gets, encoded. The rendering of a service
 * that did not change is remembered by identity, so the cost of a change
 * follows what changed and not how many services there are.
 */
import type { ServiceChange } from '../fleet/changes.js';
import type { Fleet, Service } from '../fleet/fleet.js';
import { encode } from '../protos.js';
import type {
  EncodedChanges,
  EncodedResource,
  EncodedResources,
  ResourceKind,
} from '../snapshot/snapshot.js';
import { filterServiceClusters, serviceCluster } from './cluster.js';
import { loadAssignment } from './endpoint.js';
import { bridgeListenerResource, gatewayListenerResource } from './listener.js';
import { bridgeRoutes, gatewayRoutes } from './route.js';
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
    cluster: [...own.cluster, ...services.map(({ cluster }) => cluster)],
    endpoint: services.map(({ endpoint }) => endpoint),
    listener: own.listener,
    secret: [],
    route: own.route,
  };
}

/** The same for what differs in the services. */
export function renderChanges(
  changes: readonly ServiceChange[],
  settings: ResourceSettings,
): EncodedChanges {
  const own = new Set(renderOwn(settings).cluster.map(({ name }) => name));
  const rendered = changes.map(({ name, after }) => {
    if (own.has(name)) throw new Error(`The name "${name}" is MCPX's own: rename that service`);
    return [name, after && renderService(after)] as const;
  });
  return {
    cluster: rendered.map(([name, service]) => [name, service?.cluster.bytes]),
    endpoint: rendered.map(([name, service]) => [name, service?.endpoint.bytes]),
  };
}

interface RenderedService {
  readonly cluster: EncodedResource;
  readonly endpoint: EncodedResource;
}

const services = new WeakMap<Service, RenderedService>();

function renderService(service: Service): RenderedService {
  const known = services.get(service);
  if (known) return known;
  const rendered = {
    cluster: render('cluster', serviceCluster(service)),
    endpoint: render('endpoint', loadAssignment(service)),
  };
  services.set(service, rendered);
  return rendered;
}

const own = new WeakMap<ResourceSettings, Omit<EncodedResources, 'endpoint' | 'secret'>>();

function renderOwn(settings: ResourceSettings): Omit<EncodedResources, 'endpoint' | 'secret'> {
  const known = own.get(settings);
  if (known) return known;
  const rendered = {
    cluster: filterServiceClusters(settings).map((cluster) => render('cluster', cluster)),
    listener: [
      render('listener', bridgeListenerResource(settings)),
      render('listener', gatewayListenerResource(settings)),
    ],
    route: [render('route', bridgeRoutes()), render('route', gatewayRoutes(settings))],
  };
  own.set(settings, rendered);
  return rendered;
}

function render(
  kind: ResourceKind,
  message: { name?: string; cluster_name?: string },
): EncodedResource {
  const name = message.cluster_name ?? message.name ?? '';
  return { name, bytes: encode(messageTypes[kind], message) };
}
