/**
 * The control plane's own certificate, for the ports of its own links (xDS, the admin
 * API): from the built-in authority, renewed well before half its life is over. The
 * roots are also kept in the data folder, where the processes beside it find them.
 */
import { mkdir } from 'node:fs/promises';
import { hostname, networkInterfaces } from 'node:os';
import writeFileAtomic from 'write-file-atomic';
import { rootsFile } from '../admin_client/address.js';
import type { Authority } from '../certificates/authority.js';
import { builtinIssuer } from '../certificates/builtin_issuer.js';
import { Certificates } from '../certificates/keeper.js';
import type { Clock } from '../clock.js';
import { reasonOf, succeeded, type Outcome, type Problem } from '../errors.js';
import { Latest } from '../latest.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import type { TlsMaterial } from '../xds/listening.js';

export interface OwnTls {
  readonly material: Latest<TlsMaterial>;
  problems(): readonly Problem[];
  close(): void;
}

interface OwnTlsParts {
  readonly authority: Authority;
  /** What it listens on: clients may know it by these. */
  readonly hosts: readonly string[];
  readonly data: string;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
}

const workload = 'control-plane';

/** Problems: `certificate_unavailable`. */
export async function keepOwnTls(parts: OwnTlsParts): Promise<Outcome<OwnTls>> {
  const { authority, hosts, data, clock, metrics, log } = parts;
  const issue = () => authority.issueForLink(authority.spiffeIdOf(workload), namesOf(hosts));
  const first = await issue();
  if (!first.ok) return first;
  // What is wrong with the authority itself is told by whoever opened it.
  const issuer = { ...builtinIssuer(authority), issue, problems: () => [] };
  const keeper = new Certificates({ issuer, clock, metrics, log });
  const material = new Latest<TlsMaterial>({
    ...{ cert: first.value.chain, key: first.value.key },
    ca: authority.roots.value,
  });
  const release = keeper.want(workload);
  const stops = [
    release,
    keeper.material.subscribe(({ roots, certificates }) => {
      const own = certificates.get(workload);
      if (own && roots !== '') material.set({ cert: own.chain, key: own.key, ca: roots });
    }),
    authority.roots.subscribe((roots) => void keepRoots(data, roots, log)),
  ];
  const close = () => {
    for (const stop of stops) stop();
    keeper.close();
    void issuer.close();
  };
  return succeeded({ material, problems: () => keeper.problems(), close });
}

/** Without them the processes of this machine only fail to reach the admin API over TLS. */
async function keepRoots(data: string, roots: string, log: Log): Promise<void> {
  try {
    await mkdir(data, { recursive: true, mode: 0o700 });
    await writeFileAtomic(rootsFile(data), roots, { mode: 0o644 });
  } catch (error) {
    log.error({ reason: reasonOf(error) }, 'the roots cannot be kept in the data folder');
  }
}

/** Everything this machine may be called by, where it listens on all of its addresses. */
function namesOf(hosts: readonly string[]): readonly string[] {
  const everywhere = hosts.some((host) => host === '0.0.0.0' || host === '::');
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const own = everywhere ? addresses.map(({ address }) => address) : [];
  const named = hosts.filter((host) => host !== '0.0.0.0' && host !== '::');
  return [...new Set(['localhost', '127.0.0.1', hostname(), ...named, ...own])];
}
