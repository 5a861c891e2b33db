/**
 * What is known to be refused, and the last good forms in its place, kept in
 * the data folder: an Envoy that starts after a restart of the control plane
 * neither meets the refused bytes nor loses what every other one holds.
 */
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { reasonOf } from '../errors.js';
import type { Log } from '../log.js';
import type { Resource } from '../snapshot/snapshot.js';
import type { Verdict } from './refusals.js';

/** Where verdicts outlive the process. */
export interface KeptRefusals {
  read(): readonly Verdict[];
  /** The newest wins; a failure is logged and nothing else. */
  keep(verdicts: readonly Verdict[]): void;
  close(): Promise<void>;
}

/** Raised when the shape of what is kept changes: an older file is then not read. */
const format = 1;

interface Kept {
  readonly format: number;
  readonly verdicts: readonly (Omit<Verdict, 'good'> & {
    readonly good?: { readonly version: string; readonly bytes: string };
  })[];
}

export function keptRefusals(folder: string, log: Log): KeptRefusals {
  const path = join(folder, 'refused.json');
  let newest: readonly Verdict[] | undefined;
  let writing = Promise.resolve();

  async function write(): Promise<void> {
    const verdicts = newest;
    newest = undefined;
    if (!verdicts) return;
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeFileAtomic(path, JSON.stringify(toKept(verdicts)), { mode: 0o600 });
    } catch (error) {
      log.warn({ path, reason: reasonOf(error) }, 'what was refused cannot be kept');
    }
  }

  return {
    read: () => readKept(path, log),
    keep(verdicts) {
      newest = verdicts;
      writing = writing.then(write);
    },
    close: () => writing,
  };
}

const toKept = (verdicts: readonly Verdict[]): Kept => ({
  format,
  verdicts: verdicts.map(({ good, ...verdict }) => ({
    ...verdict,
    // A key does not belong on the disk.
    ...(good && verdict.kind !== 'secret' && { good: goodToKept(good) }),
  })),
});

const goodToKept = ({ version, bytes }: Resource) => ({ version, bytes: bytes.toString('base64') });

function readKept(path: string, log: Log): readonly Verdict[] {
  try {
    const kept = JSON.parse(readFileSync(path, 'utf8')) as Kept;
    if (kept.format !== format) throw new Error(`its format is ${kept.format}, not ${format}`);
    return kept.verdicts.map(({ good, ...verdict }) => ({
      ...verdict,
      good: good && {
        ...{ name: verdict.name, version: good.version },
        bytes: Buffer.from(good.bytes, 'base64'),
      },
    }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      log.warn({ path, reason: reasonOf(error) }, 'what was refused before is ignored');
    return [];
  }
}
