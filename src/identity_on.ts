/** Whether workloads are who their certificates say, or all stays on this machine in clear. */
import { isLoopback } from './loopback.js';

export interface IdentitySettings {
  readonly identity: { readonly mode: 'auto' | 'mutual' | 'off' };
  readonly xds: { readonly host: string };
}

export function identityIsOn({ identity, xds }: IdentitySettings): boolean {
  if (identity.mode === 'auto') return !isLoopback(xds.host);
  return identity.mode === 'mutual';
}
