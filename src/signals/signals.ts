/**
 * What agents feel of the versions of services that are in an open rollout, as Envoys tell it.
 * Held in memory of this replica only, and only while the rollout is open; silence is no calls,
 * never health. Where there are several replicas an Envoy's entries spread over them, and each
 * has its own fair part.
 */
import { readCallLine, type CallEntry } from '../call_log.js';
import type { Clock } from '../clock.js';
import { fleetChanges } from '../fleet/changes.js';
import { emptyFleet, type Fleet } from '../fleet/fleet.js';
import type { Rollout } from '../fleet/rollout.js';
import type { Counts, Signals } from '../rollout/judge.js';
import { isOpen } from '../rollout/open.js';
import { History } from './history.js';
import { outcomeOf, serviceOf } from './outcome.js';
import { sampleOf } from './sample.js';

/** Version → its calls; only of the two that the rollout is about. */
type Versions = ReadonlyMap<string, History>;

export class CallSignals {
  readonly #services = new Map<string, Versions>();
  #fleet = emptyFleet;

  constructor(
    private readonly clock: Clock,
    private readonly random: () => number = Math.random,
  ) {}

  /** What is followed from now on; everything else is forgotten. */
  follow(fleet: Fleet): void {
    const changes = fleetChanges(this.#fleet, fleet);
    this.#fleet = fleet;
    for (const { name, after } of changes) {
      const current = after?.rollout?.document.current;
      if (current && isOpen(current)) this.#services.set(name, this.#versionsOf(current));
      else this.#services.delete(name);
    }
  }

  #versionsOf({ service, from, to, stepSince }: Rollout): Versions {
    const known = this.#services.get(service);
    const versions = [from, to].map((version) => {
      const history = known?.get(version) ?? new History();
      history.mark(stepSince);
      return [version, history] as const;
    });
    return new Map(versions);
  }

  /** Lines that one worker of an Envoy sent at once. Of failures it tells those of all services. */
  record(lines: readonly string[]): void {
    const entries = lines.flatMap((line) => {
      const entry = readCallLine(line);
      return entry && this.#isFollowed(entry) ? [entry] : [];
    });
    for (const entry of sampleOf(entries, this.random)) {
      const outcome = outcomeOf(entry);
      if (!outcome) continue;
      const history = this.#services.get(outcome.service)?.get(outcome.version);
      history?.record(this.clock.now(), outcome.failure, outcome.milliseconds);
    }
  }

  #isFollowed({ cluster }: CallEntry): boolean {
    return cluster !== undefined && this.#services.has(serviceOf(cluster));
  }

  /** Since a time, ms since the epoch. Undefined: nobody listens to this version. */
  of(service: string, version: string, since: number): Signals | undefined {
    return this.#services.get(service)?.get(version)?.since(since).signals();
  }

  /** Since each of these times, newest first. */
  countsOf(
    service: string,
    version: string,
    times: readonly number[],
  ): readonly Counts[] | undefined {
    return this.#services.get(service)?.get(version)?.countsSince(times);
  }
}
