/**
 * The last good reports, kept in the data folder: after a restart they are
 * served as stale until their registry is heard again. Reports rather than
 * resources are kept, so each registry is replaced on its own and everything
 * after them is made anew by the same pure functions.
 */
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { reasonOf } from './errors.js';
import type { ProbeReport, ProbeResult, SourceName } from './fleet/fleet.js';
import type { Registered } from './fleet/merge.js';
import type { RolloutDocument } from './fleet/rollout.js';
import type { Log } from './log.js';

export interface LastGood {
  readonly reports: ReadonlyMap<SourceName, Registered>;
  readonly probes: ProbeReport;
}

export interface LastGoodStore {
  read(): LastGood | undefined;
  /** Written soon, the newest only; a failure is logged and nothing else. */
  keep(good: LastGood): void;
  /** Writes what is still waiting. */
  close(): Promise<void>;
}

/** Raised when the shape of what is kept changes: an older file is then not read. */
const format = 5;

interface Kept {
  readonly format: number;
  readonly reports: readonly (Omit<Registered, 'policies' | 'rollouts'> & {
    readonly policies: readonly (readonly [string, object])[];
    readonly rollouts: readonly (readonly [string, RolloutDocument])[];
  })[];
  readonly probes: readonly (readonly [string, ProbeResult])[];
}

/** At most one write in this time. */
const writePauseMs = 500;

export function lastGoodStore(folder: string, log: Log): LastGoodStore {
  const path = join(folder, 'last_good.json');
  let waiting: LastGood | undefined;
  let timer: NodeJS.Timeout | undefined;
  let writing = Promise.resolve();

  async function write(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    const good = waiting;
    waiting = undefined;
    if (!good) return writing;
    writing = writing
      .then(() => mkdir(folder, { recursive: true, mode: 0o700 }))
      .then(() => writeFileAtomic(path, JSON.stringify(toKept(good)), { mode: 0o600 }))
      .catch((error: unknown) => {
        log.warn({ path, reason: reasonOf(error) }, 'last good cannot be kept');
      });
    return writing;
  }

  return {
    read: () => readKept(path, log),
    keep(good) {
      waiting = good;
      timer ??= setTimeout(() => void write(), writePauseMs);
    },
    close: write,
  };
}

function toKept({ reports, probes }: LastGood): Kept {
  return {
    format,
    reports: [...reports.values()].map(({ source, registrations, policies, rollouts }) => ({
      ...{ source, registrations },
      ...{ policies: [...policies], rollouts: [...rollouts] },
    })),
    probes: [...probes],
  };
}

function readKept(path: string, log: Log): LastGood | undefined {
  try {
    const kept = JSON.parse(readFileSync(path, 'utf8')) as Kept;
    if (kept.format !== format) throw new Error(`its format is ${kept.format}, not ${format}`);
    const reports = kept.reports.map((report) => ({
      ...report,
      policies: new Map(report.policies),
      rollouts: new Map(report.rollouts),
    }));
    return {
      reports: new Map(reports.map((report) => [report.source, report])),
      probes: new Map(kept.probes),
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      log.warn({ path, reason: reasonOf(error) }, 'last good is ignored');
    return undefined;
  }
}
