/**
 * Consul as a registry, and the only door to the `consul` package.
 *
 * Services with the tag `mcp` are found in the catalogue and followed with
 * their checks; policies and what the admin API writes lie in KV under `mcpx/`.
 * Every query is followed for itself; what they hold together is the report,
 * once each was answered.
 */
import Consul from 'consul';
import { z } from 'zod';
import { failed, succeeded } from '../errors.js';
import type { Outcome } from '../errors.js';
import type { PolicyOverride, Registration } from '../fleet/fleet.js';
import type { RolloutDocument } from '../fleet/rollout.js';
import type { Log } from '../log.js';
import { PersistentMap } from '../persistent_map.js';
import type { Identity } from '../identity_on.js';
import { Assembly } from './assembly.js';
import { callMs, consulReason, follow } from './blocking.js';
import type { Answer, BlockingOptions, BlockingQuery } from './blocking.js';
import { Coalesced } from './coalesced.js';
import { ConsulServices, criticalChecksSchema } from './consul_services.js';
import { decodeRegistration } from './decode.js';
import {
  changeOf,
  instanceEntry,
  instanceKey,
  instanceOfKey,
  policyEntry,
  storedInstance,
} from './keyed.js';
import { LastGood, type Settled } from './last_good.js';
import { changedMeanwhile, notFound, selfRegistered, unreachable } from './refusals.js';
import type { Registry, RegistrationDocument, RegistryListener, Written } from './registry.js';
import { Reporter } from './reporter.js';
import { isStill, rolloutEntryOf, rolloutsFolder, textOfRollout } from './rollouts.js';
import { isForgettable, spentFolder } from './spent.js';

interface ConsulRegistryOptions {
  /** As `http://127.0.0.1:8500`. */
  readonly address: string;
  /** Has a folder and a tag of its own: `mcpx-staging/`, `mcp-staging`; none: `mcpx/`, `mcp`. */
  readonly environment?: string | undefined;
  /** '' for none. Never logged. */
  readonly token: string;
  /** '' for the agent's own. */
  readonly datacenter: string;
  readonly allowedTargets: readonly string[];
  readonly identity?: Identity;
  readonly log: Log;
}

export function createConsulRegistry(options: ConsulRegistryOptions): Registry {
  return new ConsulRegistry(options);
}

/** Of what the package's types leave out: every query may block, and be cancelled. */
interface Queries {
  readonly catalog: { services(options: BlockingOptions): Promise<unknown> };
  readonly health: {
    service(options: BlockingOptions & { service: string }): Promise<unknown>;
    state(
      options: BlockingOptions & { state: 'critical' | 'any'; filter: string },
    ): Promise<unknown>;
  };
  readonly kv: {
    get(options: Partial<BlockingOptions> & { key: string; recurse: true }): Promise<unknown>;
    set(options: Call & { key: string; value: string; cas: string }): Promise<unknown>;
    del(options: Call & { key: string; cas: string }): Promise<unknown>;
  };
}

/** A silent Consul must not hold up whoever writes. */
type Call = Pick<BlockingOptions, 'timeout'>;

/** One query that is followed, and where its answers go. */
interface Query {
  readonly query: BlockingQuery;
  readonly heard: (answer: Answer) => void;
  readonly failed?: () => void;
  readonly onlyGrows?: boolean;
}

const pace = { burst: 20, forgiveMs: 20, stepMs: 2 };

const catalogueSchema = z.record(z.string(), z.array(z.string()).nullable());
const pairsSchema = z
  .array(z.object({ Key: z.string(), Value: z.string().nullish(), ModifyIndex: z.number() }))
  .default([]);

/** A pair of Consul's KV, its key without the folder. */
interface Stored {
  readonly key: string;
  readonly text: string;
  readonly revision: string;
}

class ConsulRegistry implements Registry {
  readonly source = 'consul';
  readonly #client: Consul;
  /** Of the KV. */
  readonly #folder: string;
  readonly #tag: string;
  readonly #queries: Queries;
  readonly #closing = new AbortController();
  readonly #fromServices = new LastGood<Registration>();
  readonly #fromKv = new LastGood<Registration>();
  readonly #policies = new LastGood<PolicyOverride>();
  readonly #rollouts = new LastGood<RolloutDocument>();
  readonly #assembly = new Assembly(this.source);
  readonly #publisher = new Coalesced(() => this.#publish());
  readonly #failures = new Map<string, string>();
  readonly #services: ConsulServices;
  #catalogueHeard = false;
  #instancePairs: readonly Stored[] | undefined;
  #policyPairs: readonly Stored[] | undefined;
  #rolloutPairs: readonly Stored[] | undefined;
  #published = false;
  #listed: Settled<Registration> = { values: PersistentMap.of(), problems: [] };
  #reporter: Reporter | undefined;

  constructor(private readonly options: ConsulRegistryOptions) {
    const { environment } = options;
    const suffix = environment ? `-${environment}` : '';
    [this.#folder, this.#tag] = [`mcpx${suffix}/`, `mcp${suffix}`];
    const { protocol, hostname, port } = new URL(options.address);
    const secure = protocol === 'https:';
    this.#client = new Consul({
      host: hostname,
      port: port === '' ? (secure ? 443 : 80) : Number(port),
      secure,
      defaults: {
        ...(options.token === '' ? {} : { token: options.token }),
        ...(options.datacenter === '' ? {} : { dc: options.datacenter }),
      },
    });
    this.#queries = this.#client as unknown as Queries;
    const { health } = this.#queries;
    this.#services = new ConsulServices({
      query: (service) => (options) => health.service({ ...options, service }),
      checks: (options) => health.state({ ...options, state: 'any', filter: this.#ourChecks() }),
      ours: {
        tag: this.#tag,
        allowedTargets: options.allowedTargets,
        identity: options.identity,
      },
      changed: () => this.#publisher.request(),
    });
  }

  watch(listener: RegistryListener): void {
    this.#reporter = new Reporter(this.source, listener);
    const { catalog, health, kv } = this.#queries;
    this.#follow('catalogue', {
      query: (options) => catalog.services(options),
      heard: ({ data, index }) => this.#takeCatalogue(catalogueSchema.parse(data), index),
      failed: () => this.#services.doubt(),
      onlyGrows: true,
    });
    // Those of nodes as a whole too.
    const critical = `${this.#ourChecks()} or ServiceName == ""`;
    this.#follow('critical checks', {
      query: (options) => health.state({ ...options, state: 'critical', filter: critical }),
      heard: ({ data }) => this.#services.takeCritical(criticalChecksSchema.parse(data)),
    });
    this.#follow('instances', {
      query: (options) => kv.get({ ...options, key: `${this.#folder}instances/`, recurse: true }),
      heard: ({ data }) => (this.#instancePairs = storedIn(this.#folder, data)),
    });
    this.#follow('policies', {
      query: (options) => kv.get({ ...options, key: `${this.#folder}services/`, recurse: true }),
      heard: ({ data }) => (this.#policyPairs = storedIn(this.#folder, data)),
    });
    this.#follow('rollouts', {
      query: (options) => kv.get({ ...options, key: this.#folder + rolloutsFolder, recurse: true }),
      heard: ({ data }) => (this.#rolloutPairs = storedIn(this.#folder, data)),
    });
  }

  #ourChecks(): string {
    return `"${this.#tag}" in ServiceTags`;
  }

  async put(document: RegistrationDocument): Promise<Outcome<Written>> {
    const { allowedTargets, identity } = this.options;
    const context = { source: this.source, allowedTargets, identity } as const;
    const decoded = decodeRegistration(document, context);
    if (!decoded.ok) return decoded;
    const { value: registration, warnings } = decoded.value;
    const { name, id } = registration;
    const listed = this.#listedAt(registration);
    const target = { source: this.source, service: name, instance: id } as const;
    if (listed !== undefined) return failed(selfRegistered({ ...target, instance: listed.id }));
    return this.#write(name, async (stored) => {
      const present = storedInstance(stored, registration);
      const key = present?.key ?? instanceKey(name, id);
      const value = JSON.stringify(document);
      const pair = { key: `${this.#folder}${key}`, value, cas: present?.revision ?? '0' };
      const change = changeOf(present, value);
      if (change !== 'unchanged') {
        const done = await this.#queries.kv.set({ ...pair, timeout: callMs });
        if (done !== true) return failed(changedMeanwhile(target));
      }
      const written = { ...registration, id: instanceOfKey(key)?.id ?? id };
      return succeeded({ registration: written, change, warnings });
    });
  }

  async remove(service: string, instance?: string): Promise<Outcome<readonly string[]>> {
    return this.#write(service, async (stored) => {
      const wanted = stored.filter(({ key }) =>
        [undefined, instanceOfKey(key)?.id].includes(instance),
      );
      if (wanted.length === 0) {
        const target = { source: this.source, service, instance } as const;
        return failed(
          this.#isListed(service, instance) ? selfRegistered(target) : notFound(target),
        );
      }
      const removed: string[] = [];
      for (const { key, revision } of wanted) {
        const id = instanceOfKey(key)?.id ?? key;
        const pair = { key: `${this.#folder}${key}`, cas: revision };
        const done = await this.#queries.kv.del({ ...pair, timeout: callMs });
        if (done !== true)
          return failed(changedMeanwhile({ source: this.source, service, instance: id }));
        removed.push(id);
      }
      return succeeded(removed);
    });
  }

  async keepRollout(
    next: RolloutDocument,
    expected: RolloutDocument | undefined,
  ): Promise<Outcome<void>> {
    const { service } = next.current;
    return this.#calling(service, async () => {
      const key = `${this.#folder}${rolloutsFolder}${service}`;
      const [stored] = storedIn(
        this.#folder,
        await this.#queries.kv.get({ key, recurse: true, timeout: callMs }),
      ).filter((pair) => this.#folder + pair.key === key);
      const taken = failed(changedMeanwhile({ source: this.source, service }));
      if (!isStill(stored?.text, expected)) return taken;
      const value = textOfRollout(next);
      const pair = { key, value, cas: stored?.revision ?? '0', timeout: callMs };
      return (await this.#queries.kv.set(pair)) === true ? succeeded(undefined) : taken;
    });
  }

  async spend(nonce: string, until: number): Promise<Outcome<boolean>> {
    return this.#calling(undefined, async () => {
      const { kv } = this.#queries;
      const folder = this.#folder + spentFolder;
      const own = { key: folder + nonce, value: String(until), cas: '0', timeout: callMs };
      const first = (await kv.set(own)) === true;
      const kept = await kv.get({ key: folder, recurse: true, timeout: callMs });
      // Consul forgets nothing by itself.
      for (const { key, text, revision } of storedIn(this.#folder, kept))
        if (isForgettable(Number(text), Date.now()))
          await kv.del({ key: this.#folder + key, cas: revision, timeout: callMs });
      return succeeded(first);
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#services.close();
    await this.#publisher.settled();
    this.#client.destroy();
  }

  #follow(name: string, { query, heard, failed, onlyGrows = false }: Query): void {
    const following = {
      ...{ query, pace, onlyGrows },
      heard: (answer: Answer) => {
        heard(answer);
        this.#failures.delete(name);
        this.#publisher.request();
      },
      failed: (reason: string) => {
        this.options.log.debug({ query: name, reason }, 'consul query failed');
        failed?.();
        this.#failures.set(name, reason);
        this.#publisher.request();
      },
    };
    void follow(following, this.#closing.signal);
  }

  #takeCatalogue(catalogue: z.output<typeof catalogueSchema>, index: bigint): void {
    const names = Object.keys(catalogue).filter((name) => catalogue[name]?.includes(this.#tag));
    this.#catalogueHeard = true;
    this.#services.take(new Set(names), index);
  }

  #publish(): void {
    if (this.#closing.signal.aborted) return;
    const [failure = this.#services.failure()] = this.#failures.values();
    if (failure !== undefined) this.#reporter?.hearing({ state: 'lost', reason: failure });
    if (!this.#everythingHeard()) return;
    this.#published = true;
    this.#report();
    if (failure === undefined) this.#reporter?.hearing({ state: 'heard' });
  }

  /** Later on, a service that is new in the catalogue does not hold up the others. */
  #everythingHeard(): boolean {
    return (
      this.#published ||
      (this.#catalogueHeard &&
        this.#instancePairs !== undefined &&
        this.#policyPairs !== undefined &&
        this.#rolloutPairs !== undefined &&
        this.#services.everyOneWasRead())
    );
  }

  #report(): void {
    const { allowedTargets, identity } = this.options;
    const context = { source: this.source, allowedTargets, identity } as const;
    this.#listed = this.#fromServices.settle(this.#services.entries());
    const written = this.#fromKv.settle(
      (this.#instancePairs ?? []).map((pair) => instanceEntry(pair, context)),
    );
    const policies = this.#policies.settle(
      (this.#policyPairs ?? []).map((pair) => policyEntry(pair, context)),
    );
    const instances = [this.#listed, written];
    const rollouts = this.#rollouts.settle(
      (this.#rolloutPairs ?? []).map(rolloutEntryOf(this.source)),
    );
    this.#reporter?.report(this.#assembly.report({ instances, policies, rollouts }));
  }

  #listedAt({ name, host, port }: Registration): Registration | undefined {
    return [...this.#listed.values.values()].find(
      (listed) => listed.name === name && listed.host === host && listed.port === port,
    );
  }

  #isListed(service: string, instance: string | undefined): boolean {
    return [...this.#listed.values.values()].some(
      ({ name, id }) => name === service && [undefined, id].includes(instance),
    );
  }

  /** Runs `change` on what KV holds of the service now. */
  async #write<T>(
    service: string,
    change: (stored: readonly Stored[]) => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> {
    return this.#calling(service, async () => {
      const key = `${this.#folder}instances/${service}/`;
      return change(
        storedIn(this.#folder, await this.#queries.kv.get({ key, recurse: true, timeout: callMs })),
      );
    });
  }

  async #calling<T>(
    service: string | undefined,
    work: () => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> {
    try {
      return await work();
    } catch (error) {
      const target = { source: this.source, service } as const;
      return failed(unreachable(target, this.options.address, consulReason(error)));
    }
  }
}

/** Without the entries that Consul's page makes for folders. */
function storedIn(folder: string, data: unknown): Stored[] {
  return pairsSchema
    .parse(data)
    .filter(({ Key }) => !Key.endsWith('/'))
    .map(({ Key, Value, ModifyIndex }) => ({
      key: Key.slice(folder.length),
      text: Value ?? '',
      revision: String(ModifyIndex),
    }));
}
