/** Whether workloads are who their certificates say, or all stays on this machine in clear. */
import { isLoopback } from './loopback.js';

export interface IdentitySettings {
  readonly identity: { readonly mode: 'auto' | 'mutual' | 'off' };
  readonly xds: { readonly host: string };
}

/** What registrations are held to; false: nobody has a certificate. */
export type Identity =
  | false
  /** Where servers may be reached without TLS all the same. */
  | { readonly clearTargets: readonly string[] };

interface Held extends IdentitySettings {
  readonly registry: { readonly clearTargets: readonly string[] };
}

export const identityOf = (settings: Held): Identity =>
  identityIsOn(settings) && { clearTargets: settings.registry.clearTargets };

export function identityIsOn({ identity, xds }: IdentitySettings): boolean {
  if (identity.mode === 'auto') return !isLoopback(xds.host);
  return identity.mode === 'mutual';
}
