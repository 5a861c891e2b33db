/**
 * WHEN: the one loop. An event only says "look again"; everything is rebuilt
 * from state by `translate`.
 *
 * Six things can happen: a registry reports, a registry is lost or found, what
 * was held of an emptied one runs out, the probe reports, a certificate is renewed,
 * the pause after a translation ends. While idle a report is
 * translated at once; while busy reports merge, because after each translation
 * the loop rests as long as the work took.
 */
import { isDeepStrictEqual } from 'node:util';
import { systemClock } from './clock.js';
import { problem, reasonOf, type Problem } from './errors.js';
import { Beliefs, type BeliefStatus, type Removal } from './fleet/beliefs.js';
import { fleetChanges, type ServiceChange } from './fleet/changes.js';
import {
  emptyFleet,
  type Fleet,
  type ProbeReport,
  type ProbeResult,
  type Registration,
  type Service,
  type SourceName,
} from './fleet/fleet.js';
import type { Registered } from './fleet/merge.js';
import type { LastGoodStore } from './last_good.js';
import { Latest } from './latest.js';
import type { Log } from './log.js';
import type { Metrics } from './metrics.js';
import { differences, PersistentMap } from './persistent_map.js';
import { parseDuration } from './registry/duration.js';
import type { Hearing, Registry, Report } from './registry/registry.js';
import type { EdgeSecrets } from './resources/render.js';
import type { ResourceSettings } from './resources/settings.js';
import type { Snapshot } from './snapshot/snapshot.js';
import { translate, type Translation } from './translate.js';

/**
 * So long registries may take to answer before what an earlier run has kept is served: it may be
 * older than what Envoys hold, and they lose nothing by waiting.
 */
const patienceMs = 1_000;

/** A timer cannot be set for more than some weeks. */
const longestWaitMs = 3_600_000;

export interface PipelineParts {
  readonly registries: readonly Registry[];
  readonly settings: ResourceSettings & {
    /** What is held back; `share` as `50%`, `hold` as `30s`. */
    readonly registry: {
      readonly suddenLoss: {
        readonly share: string;
        readonly least: number;
        readonly hold: string;
      };
    };
  };
  /** Nothing is published while its value is undefined; without it there are no certificates. */
  readonly secrets?: Latest<EdgeSecrets | undefined>;
  readonly store: LastGoodStore;
  readonly log: Log;
  readonly metrics: Metrics;
}

interface Standing {
  readonly reports: readonly Registered[];
  readonly probes: ProbeReport;
  readonly fleet: Fleet;
  readonly snapshot: Snapshot;
  readonly secrets: EdgeSecrets | undefined;
}

export class Pipeline {
  readonly fleet = new Latest<Fleet>(emptyFleet);
  /** Undefined until every registry was heard or a last good is known for it. */
  readonly snapshot = new Latest<Snapshot | undefined>(undefined);
  readonly problems = new Latest<readonly Problem[]>([]);
  readonly hearing: Latest<ReadonlyMap<SourceName, Hearing>>;
  /** Whether something kept from an earlier run is served for a registry not heard yet. */
  readonly stale = new Latest(false);

  readonly #reports = new Map<SourceName, Report>();
  /** Heard at least once: only then is a report the truth about its registry. */
  readonly #heard = new Set<SourceName>();
  readonly #beliefs: Beliefs;
  /** Sources of which a last good was kept by an earlier run. */
  readonly #kept: ReadonlySet<SourceName>;
  #heldUntil: NodeJS.Timeout | undefined;
  /** The probe's newest report. */
  #probed: ProbeReport = new Map();
  /** What is known of every service: that, and what was kept by an earlier run. */
  #probes: PersistentMap<ProbeResult>;
  /** The reports that the present fleet was made of. */
  #translated: readonly Registered[] | undefined;
  #pending: NodeJS.Immediate | NodeJS.Timeout | undefined;
  #restUntil = 0;
  #patience: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(private readonly parts: PipelineParts) {
    const kept = parts.store.read();
    const sources = parts.registries.map(({ source }) => source);
    const { share, least, hold } = parts.settings.registry.suddenLoss;
    const limits = { share: Number.parseInt(share) / 100, least, holdMs: parseDuration(hold) ?? 0 };
    this.#kept = new Set(kept?.reports.keys());
    this.#beliefs = new Beliefs(sources, kept?.reports, limits);
    this.#probes = PersistentMap.of(kept?.probes);
    this.hearing = new Latest<ReadonlyMap<SourceName, Hearing>>(
      new Map(sources.map((source) => [source, { state: 'connecting' } as const])),
    );
    for (const source of sources) parts.metrics.registryHeard.set({ source }, 0);
  }

  /** Begins to listen to every registry. */
  start(): void {
    for (const registry of this.parts.registries)
      registry.watch({
        report: (report) => {
          this.#reports.set(report.source, report);
          this.#beliefs.report(report);
          this.#lookAgain();
        },
        hearing: (source, hearing) => {
          this.#hear(source, hearing);
          this.#lookAgain();
        },
      });
    this.parts.secrets?.subscribe(() => this.#lookAgain());
    this.#patience = setTimeout(() => {
      this.#patience = undefined;
      this.#lookAgain();
    }, patienceMs);
    this.#lookAgain();
  }

  probed(report: ProbeReport): void {
    // What was kept of a service stays until the probe has asked it again.
    const news = differences(this.#probed, report).filter((name) => report.has(name));
    this.#probed = report;
    this.#probes = this.#probes.with(news.map((name) => [name, report.get(name)]));
    this.#lookAgain();
  }

  /** What the last translation was made of and came to; undefined until there was one. */
  present(): Standing | undefined {
    const [fleet, snapshot] = [this.fleet.value, this.snapshot.value];
    const reports = this.#translated;
    const secrets = this.parts.secrets?.value;
    return snapshot && reports && { reports, probes: this.#probes, fleet, snapshot, secrets };
  }

  /** How far each registry is believed. */
  beliefs(): readonly BeliefStatus[] {
    return this.#beliefs.statuses();
  }

  /** The loss of this registry that is held back is real: what goes now. */
  accept(source: SourceName): readonly Registration[] {
    const accepted = this.#beliefs.accept(source);
    this.parts.log.info({ source, instances: accepted.length }, 'loss accepted');
    this.#lookAgain();
    return accepted;
  }

  /** An operator is about to remove this: its going is no loss. */
  removing(source: SourceName, removal: Removal): void {
    this.#beliefs.removing(source, removal, systemClock.now());
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#patience);
    clearTimeout(this.#heldUntil);
    clearTimeout(this.#pending as NodeJS.Timeout);
    clearImmediate(this.#pending as NodeJS.Immediate);
  }

  #hear(source: SourceName, hearing: Hearing): void {
    const { log, metrics } = this.parts;
    if (hearing.state === 'heard') this.#heard.add(source);
    this.#beliefs.hearing(source, hearing.state, systemClock.now());
    const before = this.hearing.value.get(source);
    if (isDeepStrictEqual(before, hearing)) return;
    this.hearing.set(new Map(this.hearing.value).set(source, hearing));
    // Reasons may alternate while it is lost: they are shown, and not logged again.
    if (before?.state === hearing.state) return;
    metrics.registryHeard.set({ source }, hearing.state === 'heard' ? 1 : 0);
    if (hearing.state === 'lost') log.warn({ source, reason: hearing.reason }, 'registry lost');
    else log.info({ source }, `registry ${hearing.state}`);
  }

  #lookAgain(): void {
    if (this.#pending !== undefined || this.#closed) return;
    const restMs = this.#restUntil - performance.now();
    const look = () => {
      this.#pending = undefined;
      this.#look();
    };
    this.#pending = restMs > 0 ? setTimeout(look, restMs) : setImmediate(look);
  }

  #look(): void {
    const startedAt = performance.now();
    this.#translate();
    const tookMs = performance.now() - startedAt;
    this.parts.metrics.translation.observe(tookMs / 1000);
    this.#restUntil = performance.now() + tookMs;
  }

  #translate(): void {
    const sources = this.parts.registries.map(({ source }) => source);
    const now = systemClock.now();
    const reports = this.#beliefs.believed(now);
    this.#lookWhenHeldEnds(now);
    const stale = sources.some((source) => !this.#heard.has(source) && this.#kept.has(source));
    const reported = [...this.#reports.values()].flatMap(({ problems }) => problems);
    const own = [...this.#registryProblems(), ...this.#beliefs.problems(), ...reported];
    const secrets = this.parts.secrets?.value;
    const isUnready = reports.length < sources.length || (this.parts.secrets && !secrets);
    if (isUnready || this.#mayBeTold()) {
      this.#publishProblems(own);
      return;
    }
    try {
      const { settings, store } = this.parts;
      const previous = { fleet: this.fleet.value, snapshot: this.snapshot.value };
      const input = { reports, probes: this.#probes, settings, secrets, previous };
      const translated = translate(input);
      this.#publishProblems([...own, ...translated.problems]);
      this.stale.set(stale);
      this.parts.metrics.stale.set(stale ? 1 : 0);
      // Nothing new, or what would not hold together: then those reports are no last good.
      if (isSame(previous, translated)) return;
      this.#translated = reports;
      this.fleet.set(translated.fleet);
      this.snapshot.set(translated.snapshot);
      const changes = fleetChanges(previous.fleet, translated.fleet);
      this.#count(changes);
      this.#forgetProbes(changes);
      const kept = new Map(reports.map((report) => [report.source, report]));
      store.keep({ reports: kept, probes: this.#probes });
    } catch (error) {
      this.parts.log.error({ reason: reasonOf(error) }, 'translation failed, last good stays');
      const message = `The last good stays. ${reasonOf(error)}`;
      this.#publishProblems([...own, problem('translation_failed', {}, message)]);
    }
  }

  /** Whether a registry that was just begun with may still say what holds now. */
  #mayBeTold(): boolean {
    if (this.#patience === undefined || this.snapshot.value !== undefined) return false;
    const isOpen = ({ source }: Registry) =>
      !this.#reports.has(source) && this.hearing.value.get(source)?.state !== 'lost';
    return this.parts.registries.some(isOpen);
  }

  #lookWhenHeldEnds(now: number): void {
    for (const { source, held } of this.#beliefs.statuses())
      this.parts.metrics.heldInstances.set({ source }, held?.registrations.length ?? 0);
    clearTimeout(this.#heldUntil);
    const end = this.#beliefs.nextEnd();
    if (end === Infinity || this.#closed) return;
    const waitMs = Math.min(end - now, longestWaitMs);
    this.#heldUntil = setTimeout(() => this.#lookAgain(), waitMs);
  }

  #registryProblems(): Problem[] {
    return [...this.hearing.value].flatMap(([source, hearing]) =>
      hearing.state === 'lost'
        ? [problem('registry_unreachable', { source }, `${source}: ${hearing.reason}`)]
        : [],
    );
  }

  #publishProblems(problems: readonly Problem[]): void {
    const before = new Set(this.problems.value.map(textOf));
    const now = new Set(problems.map(textOf));
    const fresh = problems.filter((each) => !before.has(textOf(each)));
    const mended = this.problems.value.filter((each) => !now.has(textOf(each)));
    if (fresh.length === 0 && mended.length === 0) return;
    for (const { code, subject, message } of fresh)
      this.parts.log.warn({ code, ...subject }, message);
    for (const { code, subject } of mended) this.parts.log.info({ code, ...subject }, 'mended');
    this.problems.set(problems);
    this.parts.metrics.problems.reset();
    for (const { code } of problems) this.parts.metrics.problems.inc({ code });
  }

  #count(changes: readonly ServiceChange[]): void {
    const { services, instances } = this.parts.metrics;
    const sizeOf = (service: Service | undefined) => service?.instances.length ?? 0;
    for (const { before, after } of changes) {
      services.inc(Number(after !== undefined) - Number(before !== undefined));
      instances.inc(sizeOf(after) - sizeOf(before));
    }
  }

  /** So that a name registered anew years later is not greeted with an old catalogue. */
  #forgetProbes(changes: readonly ServiceChange[]): void {
    const gone = changes.filter(({ after }) => after === undefined);
    this.#probes = this.#probes.with(gone.map(({ name }) => [name, undefined]));
  }
}

type Made = Pick<Translation, 'fleet' | 'snapshot'>;

const isSame = (one: Made, other: Made): boolean =>
  one.fleet === other.fleet && one.snapshot === other.snapshot;

const textOf = ({ code, subject, message }: Problem): string =>
  JSON.stringify([code, subject, message]);
