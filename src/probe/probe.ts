/** The loop that keeps every service's catalogue fresh: asked at once when new, again when due. */
import { isIPv6 } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import type { Fleet, Instance, ProbeReport, ProbeResult, Service } from '../fleet/fleet.js';
import { Latest } from '../latest.js';
import type { Log } from '../log.js';
import type { Target } from '../streamable.js';
import { ask } from './ask.js';

const limits = { deadlineMs: 5_000 };

/** A healthy service is asked again after this long. */
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
  state: 'waiting' | 'due' | 'asking';
  timer: NodeJS.Timeout | undefined;
}

export interface Probe {
  readonly report: Latest<ProbeReport>;
  close(): void;
}

export function startProbe(fleet: Latest<Fleet>, log: Log): Probe {
  const report = new Latest<ProbeReport>(new Map());
  const visits = new Map<string, Visit>();
  let asking = 0;
  let closed = false;

  function due(visit: Visit): void {
    clearTimeout(visit.timer);
    if (visit.state === 'waiting') visit.state = 'due';
    next();
  }

  function next(): void {
    for (const visit of visits.values()) {
      if (asking >= concurrencyMax || closed) return;
      if (visit.state === 'due') void visitNow(visit);
    }
  }

  async function visitNow(visit: Visit): Promise<void> {
    visit.state = 'asking';
    asking += 1;
    const { service, key } = visit;
    const result = await askService(service, report.value.get(service.name));
    asking -= 1;
    if (closed || visits.get(service.name) !== visit) return;
    publish(service.name, result);
    visit.state = 'waiting';
    visit.failures = result.failure ? visit.failures + 1 : 0;
    if (visit.key !== key) due(visit);
    else visit.timer = setTimeout(() => due(visit), delayMs(visit.failures));
    next();
  }

  function publish(name: string, result: ProbeResult): void {
    const known = report.value.get(name);
    if (isDeepStrictEqual(known, result)) return;
    if (result.failure && known?.failure?.message !== result.failure.message)
      log.warn({ service: name, reason: result.failure.message }, 'service cannot be asked');
    else if (result.catalogue)
      log.info(
        { service: name, eras: result.catalogue.eras, tools: result.catalogue.tools.length },
        'service answered',
      );
    report.set(new Map(report.value).set(name, result));
  }

  function follow({ services }: Fleet): void {
    const present = new Set(services.map(({ name }) => name));
    for (const [name, visit] of visits)
      if (!present.has(name)) {
        clearTimeout(visit.timer);
        visits.delete(name);
      }
    forget(present);
    for (const service of services) schedule(service);
  }

  function forget(present: ReadonlySet<string>): void {
    const kept = [...report.value].filter(([name]) => present.has(name));
    if (kept.length !== report.value.size) report.set(new Map(kept));
  }

  function schedule(service: Service): void {
    const key = visitKey(service);
    const visit = visits.get(service.name);
    if (!visit) {
      const created: Visit = { service, key, failures: 0, state: 'waiting', timer: undefined };
      visits.set(service.name, created);
      due(created);
      return;
    }
    visit.service = service;
    if (visit.key === key) return;
    visit.key = key;
    visit.failures = 0;
    due(visit);
  }

  const unsubscribe = fleet.subscribe(follow);
  return {
    report,
    close() {
      closed = true;
      unsubscribe();
      for (const { timer } of visits.values()) clearTimeout(timer);
    },
  };
}

/** What decides whom we ask and how: anything else that changes needs no new question. */
function visitKey({ era, path, instances }: Service): string {
  return JSON.stringify([
    era,
    path,
    instances.map(({ id, version, passing }) => [id, version, passing]),
  ]);
}

function delayMs(failures: number): number {
  if (failures === 0) return refreshMs;
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
    if (told.failure)
      failure = {
        ...told.failure,
        message: `${service.name} (${instance.id}) ${told.failure.message}.`,
      };
  }
  return { catalogue: known?.catalogue, failure };
}

function targetOf({ host, port }: Instance, path: string): Target {
  const authority = isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
  return { url: `http://${authority}${path}` };
}
