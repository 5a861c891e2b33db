/** What edges show and trust, from what there is now: their own certificate and the gateway's. */
import type { Material } from '../certificates/material.js';
import { Latest } from '../latest.js';
import { credentialsOf, unlessEqual, type GatewayCertificate } from '../resources/credentials.js';
import type { EdgeSecrets } from '../resources/render.js';

interface EdgeSecretParts {
  /** Undefined: workloads have no certificates. */
  readonly workloads:
    { readonly material: Latest<Material>; readonly serverRoots: string } | undefined;
  /** Its value is undefined while it cannot be read; undefined itself where there is none. */
  readonly gateway: Latest<GatewayCertificate | undefined> | undefined;
}

/** Undefined until all that is configured is known; what was known once stays. */
export function edgeSecrets(parts: EdgeSecretParts): Latest<EdgeSecrets | undefined> {
  const { workloads, gateway } = parts;
  const secrets = new Latest<EdgeSecrets | undefined>(workloads || gateway ? undefined : {});
  const look = () => {
    const before = secrets.value;
    const { material, serverRoots = '' } = workloads ?? {};
    const present = material && credentialsOf('edge', material.value, serverRoots);
    const credentials = present ? unlessEqual(before?.credentials, present) : before?.credentials;
    const certificate = gateway?.value ?? before?.gateway;
    if ((workloads && !credentials) || (gateway && !certificate)) return;
    const same = before && credentials === before.credentials && certificate === before.gateway;
    if (!same) secrets.set({ credentials, gateway: certificate });
  };
  workloads?.material.subscribe(look);
  gateway?.subscribe(look);
  return secrets;
}
