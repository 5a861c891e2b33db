/** How the control plane itself reaches servers to ask them: as whom, and whom it expects there. */
import { Agent } from 'node:https';
import type { PeerCertificate } from 'node:tls';
import type { Tls } from '../fleet/fleet.js';
import { targetOf, type Reach } from '../probe/instances.js';
import { spiffeIdIn } from '../xds/identity.js';
import type { Workloads } from './workload_certificates.js';

/** As long as an idle connection to a server in clear. */
const pooling = { keepAlive: true, timeout: 4_000, maxFreeSockets: 4, maxCachedSessions: 0 };

/** Undefined: workloads have no certificates, and nothing is reached by TLS. */
export function reachBy(workloads: Workloads | undefined): Reach {
  if (!workloads) return targetOf;
  // One for each peer: connections are shared only among those who expect the same there.
  const agents = new Map<string, Agent>();
  workloads.material.subscribe(() => agents.clear());
  const agentFor = (tls: Tls, service: string): Agent => {
    const key = JSON.stringify([service, tls]);
    const agent =
      agents.get(key) ?? new Agent({ ...pooling, ...contextOf(tls, service, workloads) });
    agents.set(key, agent);
    return agent;
  };
  return (instance, service) => {
    const target = targetOf(instance, service);
    const { tls } = instance;
    return tls.mode === 'off' ? target : { ...target, agent: agentFor(tls, service.name) };
  };
}

function contextOf(
  { mode, spiffe, sni }: Tls,
  service: string,
  { material, serverRoots }: Workloads,
) {
  const asked = { minVersion: 'TLSv1.3', ...(sni !== undefined && { servername: sni }) } as const;
  if (mode === 'tls') return { ...asked, ca: serverRoots };
  const { roots, certificates, spiffeIdOf } = material.value;
  const own = certificates.get('control-plane');
  const wanted = spiffe ?? spiffeIdOf(service);
  return {
    ...{ ...asked, ca: roots, cert: own?.chain, key: own?.key },
    checkServerIdentity: (_: string, { subjectaltname }: PeerCertificate) => {
      const shown = spiffeIdIn(subjectaltname);
      if (shown !== undefined && shown === wanted) return undefined;
      return new Error(`it is ${shown ?? 'nobody by its certificate'}, not ${wanted ?? 'known'}`);
    },
  };
}
