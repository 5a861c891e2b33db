/**
 * The services of Consul's catalogue, however many, over few connections.
 *
 * A blocking query is a connection, and Consul grants a client 200. So the
 * liveliest services have a query each; the others are read again when the
 * catalogue or the critical checks have changed, which two queries tell for all
 * of them: first those whose checks say that it was they, then the rest. Who
 * changes again and again gets a query of its own, in place of the one that was
 * quiet for longest.
 */
import { setMaxListeners } from 'node:events';
import { z } from 'zod';
import type { Registration } from '../fleet/fleet.js';
import { Backoff } from '../backoff.js';
import { Coalesced } from './coalesced.js';
import { askOnce, consulReason, follow, type Answer, type BlockingQuery } from './blocking.js';
import {
  serviceEntries,
  type OurServices,
  serviceHealthsSchema,
  type ServiceHealth,
} from './consul_service.js';
import type { Entry } from './last_good.js';

interface ConsulServicesOptions {
  /** The health of one service. */
  readonly query: (service: string) => BlockingQuery;
  /** Every check of our services. */
  readonly checks: BlockingQuery;
  readonly ours: OurServices;
  /** Something was heard, or failed. */
  readonly changed: () => void;
}

interface FollowedService {
  readonly name: string;
  /** Consul's index of what is known; 0 while nothing is. */
  index: bigint;
  /** Undefined until the service was read once. */
  healths: readonly ServiceHealth[] | undefined;
  entries: readonly Entry<Registration>[];
  changedAt: number;
  failure: string | undefined;
  /** Ends the query of its own; undefined while it is read with the others. */
  own: AbortController | undefined;
}

/** So many services have a query of their own. */
const ownMax = 64;
/** So many of the others are read at once, half of them at most without a hint. */
const readsMax = 16;
/** A service that changed twice in this time is lively. */
const livelyMs = 60_000;
/** After all were read, rest so many times as long as it took. */
const restFactor = 4;
/** Where it is known who changed, all are still read: others may have at the same time. */
const explainedMs = 1_000;
/** However quiet Consul is, all are read again after this long. */
const sweepMs = 60_000;
const pace = { burst: 5, forgiveMs: 200, stepMs: 20 };

/** What `/v1/health/state/critical` answers. */
export const criticalChecksSchema = z.array(
  z.object({ Node: z.string(), CheckID: z.string(), ServiceName: z.string() }),
);
type CriticalCheck = z.output<typeof criticalChecksSchema>[number];

/** What `/v1/health/state/any` answers. */
const anyChecksSchema = z.array(
  z.object({
    ...{ Node: z.string(), CheckID: z.string(), ServiceName: z.string() },
    CreateIndex: z.number(),
  }),
);

export class ConsulServices {
  readonly #services = new Map<string, FollowedService>();
  readonly #closing = new AbortController();
  readonly #backoff = new Backoff();
  /** Names to be read, the next first: those with a hint, then all the others. */
  readonly #hinted = new Set<string>();
  #queue = new Set<string>();
  readonly #reading = new Set<string>();
  #critical = new Map<string, CriticalCheck>();
  readonly #comparing = new Coalesced(() => this.#compareChecks());
  /** Each check of our services by what makes it another → its service. */
  #checks: ReadonlyMap<string, string> | undefined;
  #catalogueIndex = 0n;
  #sweep: { readonly startedAt: number; resting: boolean; again: boolean } | undefined;
  #sweptAt = 0;
  /** Whether a change of the catalogue is known to be that of some service. */
  #explained = false;
  #timers = new Set<NodeJS.Timeout>();

  constructor(private readonly options: ConsulServicesOptions) {
    // Every read listens to it.
    setMaxListeners(readsMax + 1, this.#closing.signal);
  }

  /** The instances of all services, as far as they were read. */
  entries(): readonly Entry<Registration>[] {
    return [...this.#services.values()].flatMap(({ entries }) => entries);
  }

  everyOneWasRead(): boolean {
    return [...this.#services.values()].every(({ healths }) => healths !== undefined);
  }

  /** Why some service cannot be read. */
  failure(): string | undefined {
    for (const { failure } of this.#services.values()) if (failure !== undefined) return failure;
    return undefined;
  }

  /** The names that the catalogue holds now, as of `index`. */
  take(names: ReadonlySet<string>, index: bigint): void {
    for (const [name, { own }] of this.#services)
      if (!names.has(name)) {
        own?.abort();
        this.#explained = true;
        this.#services.delete(name);
        this.#hinted.delete(name);
        this.#queue.delete(name);
      }
    const added = [...names].filter((name) => !this.#services.has(name));
    for (const name of added) this.#services.set(name, unread(name));
    this.#fillOwn();
    this.#readFirst(added);
    if (added.length > 0) this.#explained = true;
    const isDue = performance.now() - this.#sweptAt > sweepMs;
    if (this.#crowd().length > 0) {
      if (this.#catalogueIndex === 0n || isDue) this.#sweepSoon();
      if (index !== this.#catalogueIndex) this.#comparing.request();
    }
    this.#catalogueIndex = index;
  }

  /** Whom a check concerns that became critical, or is no longer. */
  takeCritical(checks: readonly CriticalCheck[]): void {
    const now = new Map(checks.map((check) => [JSON.stringify(check), check]));
    const changed = difference(this.#critical, now);
    this.#critical = now;
    this.#readFirst(changed.flatMap((check) => this.#concernedBy(check)));
  }

  /** Consul was lost: what is known may be of another time. */
  doubt(): void {
    this.#catalogueIndex = 0n;
    for (const service of this.#services.values()) service.index = 0n;
  }

  close(): void {
    this.#closing.abort();
    for (const { own } of this.#services.values()) own?.abort();
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #crowd(): FollowedService[] {
    return [...this.#services.values()].filter(({ own }) => own === undefined);
  }

  #concernedBy({ ServiceName, Node }: CriticalCheck): string[] {
    if (ServiceName !== '') return [ServiceName];
    return this.#crowd()
      .filter(({ healths }) => healths?.some((health) => health.Node.Node === Node))
      .map(({ name }) => name);
  }

  #fillOwn(): void {
    let free = ownMax - (this.#services.size - this.#crowd().length);
    for (const service of this.#crowd()) if (free-- > 0) this.#followOwn(service);
  }

  #followOwn(service: FollowedService): void {
    const own = new AbortController();
    service.own = own;
    this.#queue.delete(service.name);
    const following = {
      query: this.options.query(service.name),
      pace,
      heard: (answer: Answer) => this.#heard(service, answer),
      failed: (reason: string) => this.#failed(service, reason),
    };
    void follow(following, own.signal);
  }

  /** A query of its own for who changes again and again, if another does not need it as much. */
  #promote(service: FollowedService): void {
    const owners = [...this.#services.values()].filter(({ own }) => own !== undefined);
    const quietest = owners.reduce<FollowedService | undefined>(
      (least, each) => (least && least.changedAt <= each.changedAt ? least : each),
      undefined,
    );
    if (quietest && performance.now() - quietest.changedAt < livelyMs) return;
    quietest?.own?.abort();
    if (quietest) quietest.own = undefined;
    this.#followOwn(service);
    // What changed while its query ended was told to nobody.
    if (quietest) this.#readFirst([quietest.name]);
  }

  #heard(service: FollowedService, { index, data }: Answer): void {
    const recovered = service.failure !== undefined;
    service.failure = undefined;
    if (service.healths !== undefined && service.index === index && !recovered) return;
    // Not Consul's own filter: a query with a tag wakes at every change of any service.
    const isOurs = ({ Service }: ServiceHealth) =>
      Service.Tags?.includes(this.options.ours.tag) === true;
    const healths = serviceHealthsSchema.parse(data).filter(isOurs);
    const wasRead = service.healths !== undefined && service.index !== 0n;
    const isLively = performance.now() - service.changedAt < livelyMs;
    service.index = index;
    service.healths = healths;
    service.entries = serviceEntries(healths, this.options.ours);
    if (wasRead) service.changedAt = performance.now();
    if (wasRead && service.own !== undefined) this.#explained = true;
    if (wasRead && isLively && service.own === undefined) this.#promote(service);
    this.options.changed();
  }

  #failed(service: FollowedService, reason: string): void {
    service.failure = reason;
    this.options.changed();
  }

  #readFirst(names: readonly string[]): void {
    for (const name of names)
      if (this.#services.get(name)?.own === undefined) this.#hinted.add(name);
    this.#readNext();
  }

  /**
   * The catalogue has changed: whose instances came or went is told by their checks,
   * where they have some. Where nobody is known whose change it was, all are read.
   */
  async #compareChecks(): Promise<void> {
    const changed = await this.#changedByChecks();
    if (changed.length > 0) this.#explained = true;
    this.#readFirst(changed);
    this.#sweepSoon(this.#explained ? explainedMs : 0);
    this.#explained = false;
  }

  async #changedByChecks(): Promise<readonly string[]> {
    const answer = await askOnce(this.options.checks, this.#closing.signal).catch(() => undefined);
    const parsed = anyChecksSchema.safeParse(answer?.data);
    if (!parsed.success) return [];
    const before = this.#checks;
    const now = new Map(
      parsed.data.map(({ Node, CheckID, ServiceName, CreateIndex }) => [
        JSON.stringify([Node, CheckID, CreateIndex]),
        ServiceName,
      ]),
    );
    this.#checks = now;
    return before === undefined ? [] : difference(before, now);
  }

  /** Reads all that have no query of their own: at once when idle, later when it just did. */
  #sweepSoon(waitMs = 0): void {
    if (this.#sweep) {
      this.#sweep.again = true;
      return;
    }
    if (waitMs > 0) {
      this.#sweep = { startedAt: performance.now(), resting: true, again: true };
      this.#rest(this.#sweep, waitMs);
      return;
    }
    this.#sweptAt = performance.now();
    this.#sweep = { startedAt: this.#sweptAt, resting: false, again: false };
    const crowd = this.#crowd().sort((one, other) => other.changedAt - one.changedAt);
    this.#queue = new Set([...this.#queue, ...crowd.map(({ name }) => name)]);
    this.#readNext();
    this.#endSweep();
  }

  #endSweep(): void {
    const sweep = this.#sweep;
    if (!sweep || sweep.resting || this.#queue.size > 0) return;
    sweep.resting = true;
    this.#rest(sweep, (performance.now() - sweep.startedAt) * restFactor);
  }

  #rest(sweep: { readonly again: boolean }, milliseconds: number): void {
    this.#later(milliseconds, () => {
      this.#sweep = undefined;
      if (sweep.again) this.#sweepSoon();
    });
  }

  #readNext(): void {
    this.#readFrom(this.#hinted, readsMax);
    this.#readFrom(this.#queue, readsMax / 2);
  }

  #readFrom(queue: Set<string>, atOnce: number): void {
    for (const name of queue) {
      if (this.#reading.size >= atOnce || this.#closing.signal.aborted) return;
      // One answer after the other, so that an older one never comes last.
      if (this.#reading.has(name)) continue;
      queue.delete(name);
      const service = this.#services.get(name);
      if (service && service.own === undefined) void this.#read(service);
    }
  }

  async #read(service: FollowedService): Promise<void> {
    this.#reading.add(service.name);
    try {
      const answer = await askOnce(this.options.query(service.name), this.#closing.signal);
      if (answer && this.#isFollowed(service)) this.#heard(service, answer);
      this.#backoff.reset();
    } catch (error) {
      if (this.#isFollowed(service)) this.#failed(service, consulReason(error));
      this.#later(this.#backoff.nextMs(), () => this.#readFirst([service.name]));
    }
    this.#reading.delete(service.name);
    this.#readNext();
    this.#endSweep();
  }

  #isFollowed(service: FollowedService): boolean {
    return this.#services.get(service.name) === service && service.own === undefined;
  }

  #later(milliseconds: number, work: () => void): void {
    if (this.#closing.signal.aborted) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, milliseconds);
    this.#timers.add(timer);
  }
}

function unread(name: string): FollowedService {
  const nothing = { index: 0n, healths: undefined, entries: [], failure: undefined };
  return { name, ...nothing, changedAt: -Infinity, own: undefined };
}

/** The values of what only one of both holds. */
function difference<T>(before: ReadonlyMap<string, T>, now: ReadonlyMap<string, T>): T[] {
  const came = [...now].filter(([key]) => !before.has(key));
  const went = [...before].filter(([key]) => !now.has(key));
  return [...came, ...went].map(([, value]) => value);
}
