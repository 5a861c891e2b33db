/**
 * Everything the control plane holds of certificates, opened and closed together: its own links,
 * those of workloads, the gateway's; and what edges are to hold of them.
 */
import type { Clock } from '../clock.js';
import type { Config } from '../config.js';
import { succeeded, type Outcome, type Problem } from '../errors.js';
import type { Latest } from '../latest.js';
import type { Log } from '../log.js';
import { isLoopback } from '../loopback.js';
import type { Metrics } from '../metrics.js';
import type { Registry } from '../registry/registry.js';
import type { EdgeSecrets } from '../resources/render.js';
import { edgeSecrets } from './edge_secrets.js';
import { watchGatewayCertificate, type WatchedGateway } from './gateway_certificate.js';
import { openOwnLinks, type OwnLinks } from './own_links.js';
import { openWorkloadCertificates, type WorkloadCertificates } from './workload_certificates.js';

export interface IdentityParts {
  /** Both undefined where identity is off. */
  readonly links: OwnLinks | undefined;
  readonly workloads: WorkloadCertificates | undefined;
  readonly secrets: Latest<EdgeSecrets | undefined>;
  /** Undefined where agents are served in clear. */
  readonly gateway: WatchedGateway | undefined;
  problems(): readonly Problem[];
  close(): Promise<void>;
}

interface Parts {
  readonly config: Config;
  readonly registry: Registry | undefined;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Problems: `certificate_unavailable`, `config_invalid`. */
export async function openIdentity(parts: Parts): Promise<Outcome<IdentityParts>> {
  const opened = await openOwnLinks(parts);
  if (!opened.ok) return opened;
  const links = opened.value;
  const { host } = parts.config.xds;
  if (!links && !isLoopback(host))
    parts.log.warn({ host }, 'anybody who reaches xDS may be any Envoy: set identity.mode mutual');
  const certified = links ? openWorkloadCertificates(parts, links.authority) : nothing;
  if (!certified.ok) {
    await links?.close();
    return certified;
  }
  const workloads = certified.value;
  const gateway = watchGatewayCertificate(parts.config, parts);
  return succeeded({
    ...{ links, workloads, gateway },
    secrets: edgeSecrets({ workloads, gateway: gateway?.certificate }),
    problems: () => [links, workloads, gateway].flatMap((part) => part?.problems() ?? []),
    async close() {
      gateway?.close();
      await workloads?.close();
      await links?.close();
    },
  });
}

const nothing = succeeded(undefined);
