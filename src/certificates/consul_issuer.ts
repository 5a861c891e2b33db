/**
 * Consul's Connect CA as whoever signs for workloads, so that services of MCPX
 * and of Consul's own mesh know each other.
 *
 * Roots are followed by one blocking query. Leaves are asked for one by one: an
 * agent lets a client hold 200 connections, so a waiting query for each of
 * thousands of workloads would be turned away. The agent keeps each leaf, and
 * signs a new one for whoever asks after 60 to 90 % of its life, or as soon as
 * the root changed; an earlier question is answered with the leaf that is there.
 */
import { Backoff } from '../backoff.js';
import { succeeded, type Outcome, type Problem } from '../errors.js';
import { Latest } from '../latest.js';
import type { Log } from '../log.js';
import type { Certificate, Issuer } from './certificate.js';
import { ConsulAgent, type ConsulAgentOptions, type ConsulRoots } from './consul_agent.js';
import { Outage } from './outage.js';
import { bundleOf, readIssued } from './issued.js';
import { certificatesIn } from './reading.js';

export interface ConsulIssuerOptions extends ConsulAgentOptions {
  readonly log: Log;
}

export function createConsulIssuer(options: ConsulIssuerOptions): Issuer {
  return new ConsulIssuer(options);
}

class ConsulIssuer implements Issuer {
  readonly kind = 'consul';
  readonly #agent: ConsulAgent;
  readonly #closing = new AbortController();
  readonly #roots = new Latest<string | undefined>(undefined);
  readonly #renewals = new Set<(workload: string | undefined) => void>();
  readonly #outage: Outage;
  readonly #following: Promise<void>;
  /** Of every SPIFFE ID, as `spiffe://<uuid>.consul/ns/default/dc/dc1`; a leaf tells it. */
  #prefix: string | undefined;
  #signer: string | undefined;

  constructor(options: ConsulIssuerOptions) {
    this.#agent = new ConsulAgent(options);
    this.#outage = new Outage('Consul', options.log, this.#closing.signal);
    this.#following = this.#follow(this.#closing.signal);
  }

  spiffeIdOf(workload: string): string | undefined {
    return this.#prefix === undefined ? undefined : this.#prefix + nameIn(workload);
  }

  async issue(workload: string): Promise<Outcome<Certificate>> {
    const leaf = await this.#agent.leaf(workload, this.#closing.signal);
    if (!leaf.ok) return leaf;
    const { CertPEM: chain, PrivateKeyPEM: key } = leaf.value;
    const read = readIssued(workload, { chain, key, ending: nameIn(workload) });
    if (!read.ok) return read;
    const { spiffeId } = read.value;
    this.#prefix = spiffeId.slice(0, -nameIn(workload).length);
    return succeeded(read.value);
  }

  watchRoots(seen: (roots: string) => void): void {
    this.#roots.subscribe((roots) => {
      if (roots !== undefined) seen(roots);
    });
  }

  watchRenewals(seen: (workload: string | undefined) => void): void {
    this.#renewals.add(seen);
  }

  problems(): readonly Problem[] {
    return this.#outage.problems;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#following;
  }

  /** What is known stays while Consul is away. */
  async #follow(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff();
    let index = 0n;
    while (!signal.aborted) {
      const answer = await this.#agent.roots(index, signal);
      if (answer.ok) {
        const { index: at, value } = answer.value;
        // Backwards: another Consul, or one restored; all is asked for anew.
        index = at < index ? 0n : at;
        this.#take(value);
        this.#outage.over();
        backoff.reset();
      } else {
        this.#outage.goesOn(answer.problems);
        index = 0n;
        await backoff.wait(signal);
      }
    }
  }

  #take({ ActiveRootID, Roots }: ConsulRoots): void {
    const roots = Roots.flatMap(({ RootCert }) => certificatesIn(RootCert) ?? []);
    // The new root is trusted before anything it signed is asked for.
    if (roots.length > 0) this.#roots.set(bundleOf(roots));
    const rotated = this.#signer !== undefined && this.#signer !== ActiveRootID;
    this.#signer = ActiveRootID;
    if (rotated) for (const seen of this.#renewals) seen(undefined);
  }
}

const nameIn = (workload: string): string => `/svc/${workload}`;
