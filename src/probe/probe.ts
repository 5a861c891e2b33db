/**
 * The loop that keeps every service's catalogue fresh: asked at once when new,
 * when its instances change and when it tells that its lists changed; looked at
 * in the interval of its health check, and asked again when that fails or when
 * what it said may no longer be believed (`ttlMs`).
 */
import { setMaxListeners } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import { fleetChanges } from '../fleet/changes.js';
import {
  emptyFleet,
  type Catalogue,
  type Fleet,
  type ProbeResult,
  type Service,
} from '../fleet/fleet.js';
import { Latest } from '../latest.js';
import type { Log } from '../log.js';
import { PersistentMap } from '../persistent_map.js';
import { answers, askService, silentInstances, type ServiceTold } from './ask.js';
import { askedUnder, spokesmen, targetOf, type Reach } from './instances.js';
import { Notices } from './notices.js';
import { backoffMs, believedFor, calmMs, restAfter } from './timing.js';
import { Turns } from './turns.js';
import { askOtherVersions, hasSeveralVersions, versionsWith } from './versions.js';

/** What is scheduled for one service; times by `performance.now()`. */
interface Visit {
  service: Service;
  /** Changes when the service must be asked anew. */
  key: string;
  state: 'waiting' | 'queued' | 'asking';
  timer: NodeJS.Timeout | undefined;
  /** Something changed since it was last asked. */
  stale: boolean;
  believedUntil: number;
  /** It is left alone until then, longer with every urge that comes without a pause. */
  restUntil: number;
  urges: number;
  failures: number;
}

const unasked: Omit<Visit, 'service' | 'key'> = {
  state: 'waiting',
  timer: undefined,
  stale: true,
  believedUntil: 0,
  restUntil: -Infinity,
  urges: 0,
  failures: 0,
};

export class Probe {
  readonly report = new Latest<PersistentMap<ProbeResult>>(PersistentMap.of());
  #fleet = emptyFleet;
  readonly #visits = new Map<string, Visit>();
  readonly #askedAt = new Map<string, number>();
  readonly #turns = new Turns();
  readonly #closing = new AbortController();
  readonly #notices: Notices;
  readonly #unsubscribe: () => void;

  constructor(
    fleet: Latest<Fleet>,
    private readonly log: Log,
    readonly reach: Reach = targetOf,
  ) {
    // Every question listens to it.
    setMaxListeners(0, this.#closing.signal);
    this.#notices = new Notices((service) => {
      const visit = this.#visits.get(service);
      if (visit) this.#urge(visit);
    }, log);
    this.#unsubscribe = fleet.subscribe((present) => this.#follow(present));
  }

  /**
   * When the service last told all it offers, in ms since the epoch. Not in the
   * report: a date that moves with every question must not move the fleet.
   */
  askedAt(service: string): number | undefined {
    return this.#askedAt.get(service);
  }

  close(): void {
    this.#closing.abort();
    this.#unsubscribe();
    this.#notices.close();
    for (const { timer } of this.#visits.values()) clearTimeout(timer);
  }

  #follow(fleet: Fleet): void {
    const changes = fleetChanges(this.#fleet, fleet);
    this.#fleet = fleet;
    const gone = changes.filter(({ after }) => after === undefined).map(({ name }) => name);
    for (const name of gone) this.#forget(name);
    this.report.set(this.report.value.with(gone.map((name) => [name, undefined])));
    for (const { after } of changes) if (after) this.#schedule(after);
  }

  #forget(service: string): void {
    clearTimeout(this.#visits.get(service)?.timer);
    this.#visits.delete(service);
    this.#askedAt.delete(service);
    this.#notices.forget(service);
  }

  #schedule(service: Service): void {
    const key = askedUnder(service);
    const visit = this.#visits.get(service.name);
    if (!visit) {
      const fresh: Visit = { service, key, ...unasked };
      this.#visits.set(service.name, fresh);
      this.#queue(fresh);
      return;
    }
    visit.service = service;
    if (visit.key === key) return;
    visit.key = key;
    visit.failures = 0;
    this.#urge(visit);
  }

  /** Asks again as soon as it may be: at once when it was left alone for a while. */
  #urge(visit: Visit): void {
    visit.stale = true;
    if (visit.state === 'waiting') this.#wait(visit, visit.restUntil - performance.now());
  }

  #wait(visit: Visit, ms: number): void {
    clearTimeout(visit.timer);
    visit.state = 'waiting';
    if (ms <= 0) this.#queue(visit);
    else visit.timer = setTimeout(() => this.#queue(visit), ms);
  }

  #queue(visit: Visit): void {
    visit.state = 'queued';
    this.#turns.add(() => this.#visit(visit));
  }

  #isGone(visit: Visit): boolean {
    return this.#closing.signal.aborted || this.#visits.get(visit.service.name) !== visit;
  }

  async #visit(visit: Visit): Promise<void> {
    if (this.#isGone(visit)) return;
    visit.state = 'asking';
    if (!(await this.#stillGood(visit))) await this.#ask(visit);
    if (visit.service.instances.length > 1) await this.#lookAtTheOthers(visit);
    if (this.#isGone(visit)) return;
    const now = performance.now();
    if (visit.stale) this.#wait(visit, visit.restUntil - now);
    else this.#wait(visit, Math.max(1, nextVisitMs(visit, now)));
  }

  async #ask(visit: Visit): Promise<void> {
    const { service } = visit;
    const startedAt = performance.now();
    visit.urges = startedAt < visit.restUntil + calmMs ? visit.urges + 1 : 0;
    visit.stale = false;
    const told = await askService(service, this.#closing.signal, this.reach);
    if (this.#isGone(visit)) return;
    this.#learn(visit, told);
    if (told.version === undefined || !hasSeveralVersions(service)) return;
    const tell = (version: string, catalogue: Catalogue) => {
      if (!this.#isGone(visit)) this.#learnVersion(visit, version, catalogue);
    };
    const { signal } = this.#closing;
    await askOtherVersions(service, told.version, tell, { signal, reach: this.reach });
  }

  /** What speaks for the service is left as it is. */
  #learnVersion({ service }: Visit, version: string, catalogue: Catalogue): void {
    const known = this.report.value.get(service.name);
    if (!known) return;
    const { versions: before, ...rest } = known;
    const versions = versionsWith(service, before, { [version]: catalogue });
    this.#publish(service.name, { ...rest, ...(versions && { versions }) });
  }

  #learn(visit: Visit, { catalogue, failure, ttlMs, speaker, version }: ServiceTold): void {
    const { name, probe } = visit.service;
    const now = performance.now();
    visit.restUntil = now + restAfter(visit.urges);
    visit.failures = failure ? visit.failures + 1 : 0;
    if (catalogue) {
      visit.believedUntil = now + believedFor(ttlMs);
      this.#askedAt.set(name, Date.now());
      this.#notices.follow(name, speaker);
    }
    // After a restart nothing was told yet, but the fleet holds what was kept.
    const known = this.report.value.get(name) ?? probe;
    const silent = failure ? undefined : known?.silent;
    const told = catalogue && version !== undefined ? { [version]: catalogue } : {};
    const versions = versionsWith(visit.service, known?.versions, told);
    const result = { catalogue: catalogue ?? known?.catalogue, failure };
    this.#publish(name, { ...result, ...(versions && { versions }), ...(silent && { silent }) });
  }

  /** Nothing changed, what was told may still be believed, and the service lives. */
  async #stillGood({ service, stale, failures, believedUntil }: Visit): Promise<boolean> {
    if (stale || failures > 0 || performance.now() >= believedUntil) return false;
    const [first] = spokesmen(service);
    const limits = { deadlineMs: service.health.timeoutMs, signal: this.#closing.signal };
    return first !== undefined && (await answers(this.reach(first, service), limits));
  }

  /** One instance speaks for the service; that the others live is only seen by asking them. */
  async #lookAtTheOthers({ service }: Visit): Promise<void> {
    const told = this.report.value.get(service.name);
    if (!told?.catalogue || told.failure) return;
    const limits = { deadlineMs: service.health.timeoutMs, signal: this.#closing.signal };
    const silent = await silentInstances(service, limits, this.reach);
    const known = this.report.value.get(service.name);
    if (this.#closing.signal.aborted || !known || known.failure) return;
    const { catalogue, failure, versions } = known;
    const result = { catalogue, failure, ...(versions && { versions }) };
    this.#publish(service.name, { ...result, ...(silent.length > 0 && { silent }) });
  }

  #publish(service: string, result: ProbeResult): void {
    if (isDeepStrictEqual(this.report.value.get(service), result)) return;
    const { catalogue, failure } = result;
    // A failure becomes a problem, which is logged where it is published.
    if (catalogue && !failure)
      this.log.info(
        { service, eras: catalogue.eras, tools: catalogue.tools.length },
        'service answered',
      );
    this.report.set(this.report.value.with([[service, result]]));
  }
}

function nextVisitMs({ failures, service, believedUntil }: Visit, now: number): number {
  const { intervalMs } = service.health;
  if (failures > 0) return backoffMs(failures, Math.max(intervalMs, 1_000));
  return Math.min(intervalMs, believedUntil - now);
}
