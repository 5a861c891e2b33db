/**
 * Vault's PKI as whoever signs for workloads.
 *
 * Every authority of the mount is trusted, so its root is rotated in Vault's
 * own way: a second one is made, everybody learns of it, it becomes the
 * default, and in the end the first is deleted. Vault tells nobody of that; it
 * is looked at from time to time.
 */
import type { X509Certificate } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Backoff } from '../backoff.js';
import type { Outcome, Problem } from '../errors.js';
import { Latest } from '../latest.js';
import type { Log } from '../log.js';
import type { Certificate, Issuer } from './certificate.js';
import { bundleOf, readIssued } from './issued.js';
import { Outage } from './outage.js';
import { certificatesIn, isRoot } from './reading.js';
import { VaultApi, type VaultApiOptions, type VaultIssuers } from './vault_api.js';
import { keepToken } from './vault_token.js';

export interface VaultIssuerOptions extends VaultApiOptions {
  readonly trustDomain: string;
  /** As `24h`; the role may give less. */
  readonly life: string;
  readonly log: Log;
  /** Between two looks at the mount's authorities; 30 s unless told. */
  readonly lookEveryMs?: number;
}

export function createVaultIssuer(options: VaultIssuerOptions): Issuer {
  return new VaultIssuer(options);
}

const lookEveryMsUsual = 30_000;

class VaultIssuer implements Issuer {
  readonly kind = 'vault';
  readonly #vault: VaultApi;
  readonly #closing = new AbortController();
  readonly #outage: Outage;
  readonly #tokenOutage: Outage;
  readonly #roots = new Latest<readonly string[]>([]);
  readonly #renewals = new Set<(workload: string | undefined) => void>();
  readonly #running: Promise<unknown>;
  #signer: string | undefined;

  constructor(private readonly options: VaultIssuerOptions) {
    this.#vault = new VaultApi(options);
    const { signal } = this.#closing;
    this.#outage = new Outage('Vault', options.log, signal);
    this.#tokenOutage = new Outage("Vault's word on the token", options.log, signal);
    this.#running = Promise.all([
      this.#follow(signal),
      keepToken(this.#vault, this.#tokenOutage, signal),
    ]);
  }

  spiffeIdOf(workload: string): string {
    return `spiffe://${this.options.trustDomain}/${workload}`;
  }

  async issue(workload: string): Promise<Outcome<Certificate>> {
    const { signal } = this.#closing;
    const spiffeId = this.spiffeIdOf(workload);
    const { life } = this.options;
    const leaf = await this.#vault.issue({ workload, spiffeId, life }, signal);
    if (!leaf.ok) return leaf;
    const { chain, key } = leaf.value;
    // An authority that became the default since the last look is trusted before its leaf is used.
    if (!anchorsOf(chain).every((anchor) => this.#roots.value.includes(anchor))) await this.#look();
    return readIssued(workload, { chain: withoutRoots(chain), key, ending: spiffeId });
  }

  watchRoots(seen: (roots: string) => void): void {
    this.#roots.subscribe((roots) => {
      if (roots.length > 0) seen(roots.join(''));
    });
  }

  watchRenewals(seen: (workload: string | undefined) => void): void {
    this.#renewals.add(seen);
  }

  problems(): readonly Problem[] {
    const all = [...this.#outage.problems, ...this.#tokenOutage.problems];
    return all.filter(({ message }, at) => all.findIndex((one) => one.message === message) === at);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  /** What is known stays while Vault is away or sealed. */
  async #follow(signal: AbortSignal): Promise<void> {
    const { lookEveryMs = lookEveryMsUsual } = this.options;
    const backoff = new Backoff();
    while (!signal.aborted) {
      if (await this.#look()) {
        backoff.reset();
        await delay(lookEveryMs, undefined, { signal }).catch(() => undefined);
      } else await backoff.wait(signal);
    }
  }

  async #look(): Promise<boolean> {
    const found = await this.#vault.issuers(this.#closing.signal);
    if (found.ok) {
      this.#outage.over();
      this.#take(found.value);
    } else this.#outage.goesOn(found.problems);
    return found.ok;
  }

  #take({ chains, signer }: VaultIssuers): void {
    const roots = [...new Set(chains.flatMap(anchorsOf))].sort();
    if (roots.length === 0) return;
    const before = this.#roots.value;
    if (roots.join('') !== before.join('')) this.#roots.set(roots);
    const rotated = this.#signer !== undefined && this.#signer !== signer;
    this.#signer = signer;
    // What is no longer trusted may have signed leaves that are in use.
    if (rotated || before.some((root) => !roots.includes(root)))
      for (const seen of this.#renewals) seen(undefined);
  }
}

/** PEM of what stands highest in a chain: its roots, or the last where it holds none. */
function anchorsOf(chain: string): string[] {
  const certificates = certificatesIn(chain) ?? [];
  const roots = certificates.filter(isRoot);
  return (roots.length > 0 ? roots : certificates.slice(-1)).map(String);
}

const withoutRoots = (chain: string): string =>
  bundleOf((certificatesIn(chain) ?? []).filter((one: X509Certificate) => !isRoot(one)));
