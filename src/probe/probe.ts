/**
 * The loop that keeps every service's catalogue fresh: asked at once when new,
 * looked at in the interval of its health check, asked again when that fails
 * and once a minute.
 */
import { isIPv6 } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import type { Fleet, Instance, ProbeReport, ProbeResult, Service } from '../fleet/fleet.js';
import { Latest } from '../latest.js';
import type { Log } from '../log.js';
import type { Target } from '../streamable.js';
import { answers, ask } from './ask.js';

const limits = { deadlineMs: 5_000 };

/** What a healthy service offers is asked again after this long. */
const refreshMs = 60_000;
const retryMs = { first: 500, max: 30_000 };
const concurrencyMax = 8;
const instancesTried = 3;

/** What is scheduled for one service. */
interface Visit {
  service: Service;
  /** Changes when the service must be asked anew. */
  key: string;
  failures: number;
  /** The key it was last asked under. */
  askedKey: string;
  /** When it was last asked what it offers, by `performance.now()`. */
  askedAt: number;
  state: 'waiting' | 'due' | 'asking';
  timer: NodeJS.Timeout | undefined;
}

export class Probe {
  readonly report = new Latest<ProbeReport>(new Map());
  readonly #visits = new Map<string, Visit>();
  #asking = 0;
  #closed = false;
  readonly #unsubscribe: () => void;

  constructor(
    fleet: Latest<Fleet>,
    private readonly log: Log,
  ) {
    this.#unsubscribe = fleet.subscribe((present) => this.#follow(present));
  }

  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    for (const { timer } of this.#visits.values()) clearTimeout(timer);
  }

  #follow({ services }: Fleet): void {
    const present = new Set(services.map(({ name }) => name));
    for (const [name, visit] of this.#visits)
      if (!present.has(name)) {
        clearTimeout(visit.timer);
        this.#visits.delete(name);
      }
    const kept = [...this.report.value].filter(([name]) => present.has(name));
    if (kept.length !== this.report.value.size) this.report.set(new Map(kept));
    for (const service of services) this.#schedule(service);
    this.#next();
  }

  #schedule(service: Service): void {
    const key = visitKey(service);
    const visit = this.#visits.get(service.name);
    if (!visit) {
      const fresh = { service, key, failures: 0, askedKey: '', askedAt: 0, state: 'due' } as const;
      this.#visits.set(service.name, { ...fresh, timer: undefined });
      return;
    }
    visit.service = service;
    if (visit.key === key) return;
    visit.key = key;
    visit.failures = 0;
    this.#due(visit);
  }

  #due(visit: Visit): void {
    clearTimeout(visit.timer);
    if (visit.state === 'waiting') visit.state = 'due';
  }

  #next(): void {
    for (const visit of this.#visits.values()) {
      if (this.#asking >= concurrencyMax || this.#closed) return;
      if (visit.state === 'due') void this.#visit(visit);
    }
  }

  async #visit(visit: Visit): Promise<void> {
    const { service, key } = visit;
    visit.state = 'asking';
    this.#asking += 1;
    // After a restart nothing was told yet, but the fleet holds what was kept.
    const known = this.report.value.get(service.name) ?? service.probe;
    const result = (await this.#stillGood(visit, known)) ?? (await askService(service, known));
    this.#asking -= 1;
    if (!this.#closed && this.#visits.get(service.name) === visit) {
      visit.state = 'waiting';
      visit.failures = result.failure ? visit.failures + 1 : 0;
      if (result !== known) Object.assign(visit, { askedKey: key, askedAt: performance.now() });
      if (visit.key !== key) this.#due(visit);
      else visit.timer = setTimeout(() => this.#again(visit), delayMs(visit));
      this.#publish(service.name, result);
    }
    this.#next();
  }

  /** What was known, when it is fresh, asked under the same key, and the service still answers. */
  async #stillGood(
    { service, key, askedKey, askedAt }: Visit,
    known: ProbeResult | undefined,
  ): Promise<ProbeResult | undefined> {
    if (!known || known.failure || key !== askedKey) return undefined;
    if (performance.now() - askedAt > refreshMs) return undefined;
    const passing = service.instances.find((instance) => instance.passing);
    if (!passing) return undefined;
    const deadline = { deadlineMs: service.health.timeoutMs };
    return (await answers(targetOf(passing, service.path), deadline)) ? known : undefined;
  }

  #again(visit: Visit): void {
    this.#due(visit);
    this.#next();
  }

  #publish(service: string, result: ProbeResult): void {
    const known = this.report.value.get(service);
    if (isDeepStrictEqual(known, result)) return;
    const { catalogue, failure } = result;
    if (failure) this.log.warn({ service, reason: failure.message }, 'service cannot be asked');
    else if (catalogue)
      this.log.info(
        { service, eras: catalogue.eras, tools: catalogue.tools.length },
        'service answered',
      );
    this.report.set(new Map(this.report.value).set(service, result));
  }
}

/** What decides whom we ask and how: anything else that changes needs no new question. */
function visitKey({ era, path, instances }: Service): string {
  const asked = instances.map(({ id, host, port, version, passing }) =>
    [id, host, port, version, passing].join(' '),
  );
  return JSON.stringify([era, path, asked]);
}

function delayMs({ failures, service }: Visit): number {
  if (failures === 0) return service.health.intervalMs;
  const backoff = Math.min(retryMs.first * 2 ** (failures - 1), retryMs.max);
  return backoff * (0.5 + Math.random() / 2);
}

/** The first instance that answers speaks for the service; what was known outlives a failure. */
async function askService(service: Service, known: ProbeResult | undefined): Promise<ProbeResult> {
  const candidates = service.instances.filter(({ passing }) => passing).slice(0, instancesTried);
  let failure: ProbeResult['failure'] = {
    code: 'server_unreachable',
    message: `No instance of ${service.name} passes its checks.`,
  };
  for (const instance of candidates) {
    const told = await ask(targetOf(instance, service.path), service.era, limits);
    if (told.catalogue) return told;
    if (told.failure) {
      const message = `${service.name} (${instance.id}) ${told.failure.message}.`;
      failure = { ...told.failure, message };
    }
  }
  return { catalogue: known?.catalogue, failure };
}

function targetOf({ host, port }: Instance, path: string): Target {
  const authority = isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
  return { url: `http://${authority}${path}` };
}
