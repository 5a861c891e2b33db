/**
 * etcd as a registry, and the only door to `etcd3`.
 *
 * Everything under the prefix is listed, then watched from that revision on.
 * A watch that breaks for whatever reason (connection, compaction) ends the
 * session: the next one lists anew with a client of its own, so neither the
 * client's circuit breaker nor a gap in its replay can hide a change.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Etcd3, type IKeyValue, type IWatchResponse, type Watcher } from 'etcd3';
import { failed, reasonOf, succeeded } from '../errors.js';
import type { Outcome } from '../errors.js';
import type { PolicyOverride, Registration } from '../fleet/fleet.js';
import type { RolloutDocument } from '../fleet/rollout.js';
import type { Log } from '../log.js';
import type { Identity } from '../identity_on.js';
import { Assembly } from './assembly.js';
import { Backoff } from '../backoff.js';
import { Coalesced } from './coalesced.js';
import { decodeRegistration } from './decode.js';
import {
  changeOf,
  instanceEntry,
  instanceKey,
  instanceOfKey,
  policyEntry,
  storedInstance,
} from './keyed.js';
import { LastGood, type Entry } from './last_good.js';
import { changedMeanwhile, notFound, selfRegistered, unreachable } from './refusals.js';
import type { Registry, RegistrationDocument, RegistryListener, Written } from './registry.js';
import { Reporter } from './reporter.js';
import { isStill, rolloutEntryOf, rolloutsFolder, textOfRollout } from './rollouts.js';
import { clocksDifferMs, spentFolder } from './spent.js';

interface EtcdRegistryOptions {
  readonly endpoints: readonly string[];
  /** As `/mcpx`; keys are `/mcpx/instances/<service>/<id>` and `/mcpx/services/<name>`. */
  readonly prefix: string;
  readonly allowedTargets: readonly string[];
  readonly identity?: Identity;
  readonly log: Log;
}

export function createEtcdRegistry(options: EtcdRegistryOptions): Registry {
  return new EtcdRegistry(options);
}

const callMs = 5_000;
const detachMs = 500;

/** A key without the prefix, its text, and what a compare-and-set needs. */
interface Stored {
  readonly key: string;
  readonly text: string;
  readonly revision: string;
  /** Under a lease: put there by the server itself, and gone with it. */
  readonly leased: boolean;
}

class EtcdRegistry implements Registry {
  readonly source = 'etcd';
  readonly #prefix: string;
  readonly #closing = new AbortController();
  readonly #instances = new LastGood<Registration>();
  readonly #policies = new LastGood<PolicyOverride>();
  readonly #rollouts = new LastGood<RolloutDocument>();
  readonly #assembly = new Assembly(this.source);
  /** Keys that may hold something else than when it was published. */
  readonly #changed = new Set<string>();
  readonly #publisher = new Coalesced(() => this.#publish());
  #held = new Map<string, Stored>();
  #reporter: Reporter | undefined;
  #watching: Promise<void> | undefined;

  constructor(private readonly options: EtcdRegistryOptions) {
    this.#prefix = `${options.prefix.replace(/\/+$/, '')}/`;
  }

  watch(listener: RegistryListener): void {
    this.#reporter = new Reporter(this.source, listener);
    this.#watching = this.#keepWatching(this.#reporter);
  }

  async put(document: RegistrationDocument): Promise<Outcome<Written>> {
    const { allowedTargets, identity } = this.options;
    const context = { source: this.source, allowedTargets, identity } as const;
    const decoded = decodeRegistration(document, context);
    if (!decoded.ok) return decoded;
    const { value: registration, warnings } = decoded.value;
    const { name, id } = registration;
    const target = { source: this.source, service: name, instance: id } as const;
    return this.#write(name, async (client, stored) => {
      const present = storedInstance(stored, registration);
      if (present?.leased === true) return failed(selfRegistered(target));
      const key = present?.key ?? instanceKey(name, id);
      const value = JSON.stringify(document);
      const change = changeOf(present, value);
      if (change !== 'unchanged') {
        const put = await client
          .if(this.#prefix + key, 'Mod', '==', Number(present?.revision ?? 0))
          .then(client.put(this.#prefix + key).value(value))
          .commit();
        if (!put.succeeded) return failed(changedMeanwhile(target));
      }
      const written = { ...registration, id: instanceOfKey(key)?.id ?? id };
      return succeeded({ registration: written, change, warnings });
    });
  }

  async remove(service: string, instance?: string): Promise<Outcome<readonly string[]>> {
    return this.#write(service, async (client, stored) => {
      const wanted = stored.filter(({ key }) =>
        [undefined, instanceOfKey(key)?.id].includes(instance),
      );
      const own = wanted.filter(({ leased }) => !leased);
      if (own.length === 0) {
        const target = { source: this.source, service, instance } as const;
        return failed(wanted.length > 0 ? selfRegistered(target) : notFound(target));
      }
      const removed: string[] = [];
      for (const { key, revision } of own) {
        const id = instanceOfKey(key)?.id ?? key;
        const deleted = await client
          .if(this.#prefix + key, 'Mod', '==', Number(revision))
          .then(client.delete().key(this.#prefix + key))
          .commit();
        if (!deleted.succeeded)
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
    return this.#withClient(service, async (client) => {
      const key = `${this.#prefix}${rolloutsFolder}${service}`;
      const [stored] = (await client.get(key).exec()).kvs.map((pair) => this.#storedFrom(pair));
      const taken = failed(changedMeanwhile({ source: this.source, service }));
      if (!isStill(stored?.text, expected)) return taken;
      const put = await client
        .if(key, 'Mod', '==', Number(stored?.revision ?? 0))
        .then(client.put(key).value(textOfRollout(next)))
        .commit();
      return put.succeeded ? succeeded(undefined) : taken;
    });
  }

  async spend(nonce: string, until: number): Promise<Outcome<boolean>> {
    return this.#withClient(undefined, async (client) => {
      const key = this.#prefix + spentFolder + nonce;
      const seconds = Math.ceil((until - Date.now() + clocksDifferMs) / 1_000);
      const lease = client.lease(Math.max(seconds, 1), { autoKeepAlive: false });
      const id = await lease.grant();
      const put = await client
        .if(key, 'Create', '==', 0)
        .then(client.put(key).value(String(until)).lease(id))
        .commit();
      if (!put.succeeded) await lease.revoke();
      return succeeded(put.succeeded);
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#watching;
    await this.#publisher.settled();
  }

  async #keepWatching(reporter: Reporter): Promise<void> {
    const { signal } = this.#closing;
    const backoff = new Backoff();
    while (!signal.aborted) {
      const client = this.#connect();
      try {
        const revision = await this.#list(client);
        // What it holds is reported before it is said to be heard.
        await this.#publisher.settled();
        await this.#follow(client, revision, () => {
          backoff.reset();
          reporter.hearing({ state: 'heard' });
        });
      } catch (error) {
        const reason = etcdReason(error);
        this.options.log.debug({ reason }, 'etcd session ended');
        if (!this.#closing.signal.aborted) reporter.hearing({ state: 'lost', reason });
      } finally {
        client.close();
      }
      await backoff.wait(signal);
    }
  }

  #connect(): Etcd3 {
    return new Etcd3({
      hosts: [...this.options.endpoints],
      dialTimeout: callMs,
      defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: Date.now() + callMs }),
      grpcOptions: {
        // etcd refuses a client that pings more often than every 5 s.
        'grpc.keepalive_time_ms': 6_000,
        'grpc.keepalive_timeout_ms': 3_000,
        'grpc.max_receive_message_length': 64 * 1024 * 1024,
      },
    });
  }

  /** Everything under the prefix becomes what is held; the revision it was read at. */
  async #list(client: Etcd3): Promise<string> {
    const { kvs, header } = await client.getAll().prefix(this.#prefix).exec();
    const stored = kvs.map((pair) => this.#storedFrom(pair));
    for (const key of this.#held.keys()) this.#changed.add(key);
    this.#held = new Map(stored.map((entry) => [entry.key, entry]));
    for (const key of this.#held.keys()) this.#changed.add(key);
    this.#publisher.request();
    return header.revision;
  }

  /** Ends only by throwing, or when the registry is closed. */
  async #follow(client: Etcd3, revision: string, connected: () => void): Promise<void> {
    const { signal } = this.#closing;
    const first = (BigInt(revision) + 1n).toString();
    // Not `create()`: it answers a turn later, when the first changes may have passed.
    const watcher = client.watch().prefix(this.#prefix).startRevision(first).watcher();
    let closed = (): void => undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        closed = resolve;
        signal.addEventListener('abort', closed, { once: true });
        if (signal.aborted) resolve();
        watcher
          .on('connected', connected)
          .on('data', (change) => this.#apply(change))
          .on('disconnected', reject)
          .on('error', reject)
          .on('end', () => reject(new Error('etcd ended the watch')));
      });
    } finally {
      signal.removeEventListener('abort', closed);
      await detach(watcher);
    }
  }

  #apply({ events }: IWatchResponse): void {
    for (const { type, kv } of events) {
      const stored = this.#storedFrom(kv);
      this.#changed.add(stored.key);
      if (type === 'Delete') this.#held.delete(stored.key);
      else this.#held.set(stored.key, stored);
    }
    this.#publisher.request();
  }

  #storedFrom({ key, value, mod_revision: revision, lease }: IKeyValue): Stored {
    return {
      key: key.toString().slice(this.#prefix.length),
      text: value.toString(),
      revision,
      leased: lease !== '0',
    };
  }

  #publish(): void {
    if (this.#closing.signal.aborted) return;
    const { allowedTargets, identity } = this.options;
    const context = { source: this.source, allowedTargets, identity } as const;
    const changed = [...this.#changed].sort();
    this.#changed.clear();
    const instances = this.#changesIn('instances/', changed, (each) =>
      instanceEntry(each, context),
    );
    const policies = this.#changesIn('services/', changed, (each) => policyEntry(each, context));
    const rollouts = this.#changesIn(rolloutsFolder, changed, rolloutEntryOf(this.source));
    this.#reporter?.report(
      this.#assembly.report({
        instances: [this.#instances.change(instances)],
        policies: this.#policies.change(policies),
        rollouts: this.#rollouts.change(rollouts),
      }),
    );
  }

  #changesIn<T>(folder: string, changed: readonly string[], entryOf: (stored: Stored) => Entry<T>) {
    const changes = new Map<string, Entry<T> | undefined>();
    for (const key of changed) {
      if (!key.startsWith(folder)) continue;
      const stored = this.#held.get(key);
      changes.set(key.slice(folder.length), stored && entryOf(stored));
    }
    return changes;
  }

  /** Runs `change` on what etcd holds of the service now. */
  async #write<T>(
    service: string,
    change: (client: Etcd3, stored: readonly Stored[]) => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> {
    return this.#withClient(service, async (client) => {
      const folder = `${this.#prefix}instances/${service}/`;
      const { kvs } = await client.getAll().prefix(folder).exec();
      return change(
        client,
        kvs.map((pair) => this.#storedFrom(pair)),
      );
    });
  }

  /** With a client of its own: a write must not wait for the watch to recover. */
  async #withClient<T>(
    service: string | undefined,
    work: (client: Etcd3) => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> {
    const client = this.#connect();
    try {
      return await work(client);
    } catch (error) {
      const target = { source: this.source, service } as const;
      return failed(unreachable(target, this.options.endpoints.join(', '), reasonOf(error)));
    } finally {
      client.close();
    }
  }
}

/** etcd gives no reason when it compacted away what the watcher has not read yet. */
function etcdReason(error: unknown): string {
  const reason = reasonOf(error);
  return reason.trim() === 'Watcher canceled:'
    ? 'etcd ended the watch, as it does when it compacts what was not read yet'
    : reason;
}

/** A watcher left attached would try to connect for ever, also with a closed client. */
async function detach(watcher: Watcher): Promise<void> {
  watcher.removeAllListeners();
  watcher.on('error', () => undefined);
  const cancelled = Promise.resolve().then(() => watcher.cancel());
  const patience = delay(detachMs, undefined, { ref: false });
  await Promise.race([cancelled.catch(() => undefined), patience]);
}
