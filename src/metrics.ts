/** The one door to prom-client: every counter and gauge MCPX publishes, born at zero. */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

export interface Metrics {
  readonly services: Gauge;
  readonly instances: Gauge;
  readonly problems: Gauge<'code'>;
  readonly registryHeard: Gauge<'source'>;
  readonly heldInstances: Gauge<'source'>;
  readonly stale: Gauge;
  readonly nodes: Gauge;
  readonly responses: Counter<'type'>;
  readonly nacks: Counter<'type'>;
  readonly knownRefused: Gauge;
  readonly ackTimeouts: Counter<'type'>;
  readonly refusedStreams: Counter<'reason'>;
  readonly unknownTypes: Counter;
  readonly admissions: Counter<'outcome'>;
  readonly adminRefused: Counter<'reason'>;
  readonly certificateExpires: Gauge<'workload'>;
  readonly nodeCertificateExpires: Gauge<'node'>;
  readonly certificateFailures: Counter<'issuer'>;
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
  const { gaugeBy, counterBy } = labelled(registers);
  return {
    services: gauge('mcpx_services', 'Services in the fleet'),
    instances: gauge('mcpx_instances', 'Instances in the fleet'),
    problems: gaugeBy('code', 'mcpx_problems', 'Present problems'),
    registryHeard: gaugeBy('source', 'mcpx_registry_heard', '1 while a registry is heard'),
    heldInstances: gaugeBy(
      'source',
      'mcpx_held_instances',
      'Instances served although their registry has stopped naming them',
    ),
    stale: gauge('mcpx_stale', '1 while a kept last good is served for a registry not heard yet'),
    nodes: gauge('mcpx_nodes', 'Connected Envoys'),
    responses: counterBy('type', 'mcpx_xds_responses_total', 'xDS responses sent'),
    nacks: counterBy('type', 'mcpx_xds_nacks_total', 'xDS responses an Envoy refused'),
    knownRefused: gauge(
      'mcpx_xds_known_refused',
      'Forms of resources known to be refused, which no other Envoy is sent',
    ),
    ackTimeouts: counterBy(
      'type',
      'mcpx_xds_ack_timeouts_total',
      'xDS responses an Envoy did not answer in time',
    ),
    refusedStreams: counterBy(
      'reason',
      'mcpx_xds_refused_streams_total',
      'xDS streams ended because of what the client sent, or how much',
    ),
    unknownTypes: new Counter({
      name: 'mcpx_xds_unknown_types_total',
      help: 'xDS requests for a type that is not served here',
      registers,
    }),
    translation: new Histogram({
      name: 'mcpx_translation_seconds',
      help: 'Reports to snapshot',
      registers,
    }),
    decisions: counterBy(
      'lane',
      'mcpx_filter_decisions_total',
      'Requests on /mcp by the lane they were sent to',
    ),
    ...identityMetrics(registers),
    text: () => register.metrics(),
    contentType: register.contentType,
  };
}

/** Who was let in or refused, and the certificates by which they are known. */
function identityMetrics(registers: Registry[]) {
  const { gaugeBy, counterBy } = labelled(registers);
  return {
    admissions: counterBy(
      'outcome',
      'mcpx_admissions_total',
      'Requests to join or to renew a certificate, by how they ended',
    ),
    adminRefused: counterBy('reason', 'mcpx_admin_refused_total', 'Refused admin requests'),
    certificateExpires: gaugeBy(
      'workload',
      'mcpx_certificate_expires_seconds',
      'When the certificate of a workload (or of the gateway) ends, in seconds since the epoch',
    ),
    nodeCertificateExpires: gaugeBy(
      'node',
      'mcpx_node_certificate_expires_seconds',
      'When the certificate that a connected Envoy showed ends, in seconds since the epoch',
    ),
    certificateFailures: counterBy(
      'issuer',
      'mcpx_certificate_failures_total',
      'Certificates that could not be had or renewed when they were asked for',
    ),
  };
}

const labelled = (registers: Registry[]) => ({
  gaugeBy: <L extends string>(label: L, name: string, help: string) =>
    new Gauge({ name, help, labelNames: [label], registers }),
  counterBy: <L extends string>(label: L, name: string, help: string) =>
    new Counter({ name, help, labelNames: [label], registers }),
});
