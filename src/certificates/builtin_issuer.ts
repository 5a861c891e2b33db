/** The built-in authority as whoever signs for workloads. */
import type { Authority } from './authority.js';
import type { Issuer } from './certificate.js';

export function builtinIssuer(authority: Authority): Issuer {
  const ends: (() => void)[] = [];
  return {
    kind: 'builtin',
    spiffeIdOf: (workload) => authority.spiffeIdOf(workload),
    issue: (workload) => authority.issue(authority.spiffeIdOf(workload)),
    watchRoots(seen) {
      ends.push(authority.roots.subscribe(seen));
    },
    // Under the new root at once, so that the old one can go.
    watchRenewals(seen) {
      const before = authority.signer.value;
      ends.push(authority.signer.subscribe((signer) => signer !== before && seen(undefined)));
    },
    close() {
      for (const end of ends.splice(0)) end();
      return Promise.resolve();
    },
  };
}
