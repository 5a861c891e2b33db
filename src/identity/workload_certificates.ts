/** Certificates of workloads where identity is on: whoever signs them, and what they trust. */
import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import type { Authority } from '../certificates/authority.js';
import { createIssuer } from '../certificates/issuers.js';
import { Certificates } from '../certificates/keeper.js';
import type { Material } from '../certificates/material.js';
import type { Clock } from '../clock.js';
import type { Config } from '../config.js';
import { failed, problem, reasonOf, succeeded, type Outcome, type Problem } from '../errors.js';
import type { Latest } from '../latest.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';

/** Where workloads have certificates. */
export interface Workloads {
  readonly material: Latest<Material>;
  /** Asks for a workload's certificate, until the returned function is called. */
  readonly want: (workload: string) => () => void;
  /** Who signs servers that are no workloads, PEM. */
  readonly serverRoots: string;
}

export interface WorkloadCertificates extends Workloads {
  problems(): readonly Problem[];
  close(): Promise<void>;
}

interface Parts {
  readonly config: Config;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Asks for the edge's at once. Problems: `config_invalid`. */
export function openWorkloadCertificates(
  { config, clock, metrics, log }: Parts,
  authority: Authority,
): Outcome<WorkloadCertificates> {
  const serverRoots = readServerRoots(config.identity.serverRoots);
  if (!serverRoots.ok) return serverRoots;
  const issuer = createIssuer(config, { authority, log });
  const keeper = new Certificates({ issuer, clock, metrics, log });
  // Edges come and go; the control plane asks servers what they offer.
  const releases = ['edge', 'control-plane'].map((workload) => keeper.want(workload));
  return succeeded({
    ...{ material: keeper.material, serverRoots: serverRoots.value },
    want: (workload) => keeper.want(workload),
    problems: () => keeper.problems(),
    async close() {
      for (const release of releases) release();
      keeper.close();
      await issuer.close();
    },
  });
}

/** Read once: who is trusted by everybody changes with a restart. */
function readServerRoots(file: string): Outcome<string> {
  if (file === '') return succeeded(rootCertificates.join('\n'));
  const path = 'identity.serverRoots';
  try {
    const pem = readFileSync(file, 'utf8');
    if (pem.includes('-----BEGIN CERTIFICATE-----')) return succeeded(pem);
    const message = `${path}: ${file} holds no certificate. Name a file of PEM certificates.`;
    return failed(problem('config_invalid', { path }, message));
  } catch (error) {
    const message = `${path}: ${file} cannot be read (${reasonOf(error)}). Correct the path.`;
    return failed(problem('config_invalid', { path }, message));
  }
}
