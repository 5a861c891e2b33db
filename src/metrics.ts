/** The one door to prom-client: every counter and gauge MCPX publishes, born at zero. */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

export interface Metrics {
  readonly services: Gauge;
  readonly instances: Gauge;
  readonly problems: Gauge<'code'>;
  readonly registryHeard: Gauge<'source'>;
  readonly stale: Gauge;
  readonly nodes: Gauge;
  readonly responses: Counter<'type'>;
  readonly nacks: Counter<'type'>;
  readonly ackTimeouts: Counter<'type'>;
  readonly refusedStreams: Counter<'reason'>;
  readonly translation: Histogram;
  readonly decisions: Counter<'lane'>;
  /** The Prometheus text of everything above. */
  text(): Promise<string>;
  readonly contentType: string;
}

export function createMetrics(): Metrics {
  const register = new Registry();
  collectDefaultMetrics({ register });
  const registers = [register];
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  return {
    services: gauge('mcpx_services', 'Services in the fleet'),
    instances: gauge('mcpx_instances', 'Instances in the fleet'),
    problems: new Gauge({
      name: 'mcpx_problems',
      help: 'Present problems',
      labelNames: ['code'],
      registers,
    }),
    registryHeard: new Gauge({
      name: 'mcpx_registry_heard',
      help: '1 while the registry is heard, else 0',
      labelNames: ['source'],
      registers,
    }),
    stale: gauge('mcpx_stale', '1 while a kept last good is served for a registry not heard yet'),
    nodes: gauge('mcpx_nodes', 'Connected Envoys'),
    responses: new Counter({
      name: 'mcpx_xds_responses_total',
      help: 'xDS responses sent',
      labelNames: ['type'],
      registers,
    }),
    nacks: new Counter({
      name: 'mcpx_xds_nacks_total',
      help: 'xDS responses an Envoy refused',
      labelNames: ['type'],
      registers,
    }),
    ackTimeouts: new Counter({
      name: 'mcpx_xds_ack_timeouts_total',
      help: 'xDS responses an Envoy did not answer in time',
      labelNames: ['type'],
      registers,
    }),
    refusedStreams: new Counter({
      name: 'mcpx_xds_refused_streams_total',
      help: 'xDS streams ended because of what the client sent, or how much',
      labelNames: ['reason'],
      registers,
    }),
    translation: new Histogram({
      name: 'mcpx_translation_seconds',
      help: 'Reports to snapshot',
      registers,
    }),
    decisions: new Counter({
      name: 'mcpx_filter_decisions_total',
      help: 'Requests on /mcp by the lane they were sent to',
      labelNames: ['lane'],
      registers,
    }),
    text: () => register.metrics(),
    contentType: register.contentType,
  };
}
