/**
 * What agents feel of the versions of services that are in an open rollout, as Envoys tell it.
 * Held in memory of this replica only, and only while the rollout is open; silence is no calls,
 * never health. Where there are several replicas an Envoy's entries spread over them, and each
 * has its own fair part.
 */
import { readCallLine } from '../call_log.js';
import type { Clock } from '../clock.js';
import type { Fleet } from '../fleet/fleet.js';
import type { Signals } from '../rollout/judge.js';
import { isOpen } from '../rollout/open.js';
import { History } from './history.js';
import { outcomeOf } from './outcome.js';

/** Version → its calls; only of the two that the rollout is about. */
type Versions = ReadonlyMap<string, History>;

export class CallSignals {
  #services: ReadonlyMap<string, Versions> = new Map();

  constructor(private readonly clock: Clock) {}

  /** What is followed from now on; everything else is forgotten. */
  follow({ services }: Fleet): void {
    const followed = new Map<string, Versions>();
    for (const { name, rollout } of services) {
      const current = rollout?.document.current;
      if (!current || !isOpen(current)) continue;
      const known = this.#services.get(name);
      const versions = [current.from, current.to].map((version) => {
        const history = known?.get(version) ?? new History();
        history.mark(current.stepSince);
        return [version, history] as const;
      });
      followed.set(name, new Map(versions));
    }
    this.#services = followed;
  }

  record(line: string): void {
    const entry = readCallLine(line);
    const outcome = entry && outcomeOf(entry);
    if (!outcome) return;
    const history = this.#services.get(outcome.service)?.get(outcome.version);
    history?.record(this.clock.now(), outcome.failure, outcome.milliseconds);
  }

  /** Since a time, ms since the epoch. Undefined: nobody listens to this version. */
  of(service: string, version: string, since: number): Signals | undefined {
    return this.#services.get(service)?.get(version)?.since(since).signals();
  }
}
