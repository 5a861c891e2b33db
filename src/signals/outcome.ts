/** What one call of the log was for the version that served it. */
import { failureFlags, type CallEntry } from '../call_log.js';
import type { failureKinds } from '../rollout/judge.js';

export type FailureKind = (typeof failureKinds)[number];

export interface Outcome {
  readonly service: string;
  readonly version: string;
  /** Undefined: all was well. */
  readonly failure: FailureKind | undefined;
  readonly milliseconds: number;
}

type Meaning = FailureKind | 'nothing';

/**
 * Envoy's flags, by whose doing it was; the first row that has one decides. Flags that stand in
 * no row change nothing: then the status counts.
 */
const meanings: readonly (readonly [Meaning, ReadonlySet<string>])[] = [
  // The agent left or broke off, or no host was ever asked: no version is to blame.
  ['nothing', new Set(['DC', 'DPE', 'DR', 'UH', 'UO', 'NR', 'NC', 'RL', 'OM'])],
  ['timeout', new Set(failureFlags.timeout)],
  ['reset', new Set(failureFlags.reset)],
];

/** What the scan of the body says; `unread` is an answer it could not read. */
const scanned: Readonly<Record<string, Meaning>> = {
  rpc_error: 'rpc',
  tool_error: 'tool',
  unread: 'nothing',
};

/** Undefined: it says nothing of a version. */
export function outcomeOf(entry: CallEntry): Outcome | undefined {
  const { cluster, version } = entry;
  const milliseconds = Number(entry.milliseconds);
  const status = Number(entry.status);
  if (!cluster || !version || !(milliseconds >= 0)) return undefined;
  const meaning = meaningOfFlags(entry.flags) ?? meaningOfAnswer(status, entry.outcome);
  if (meaning === 'nothing') return undefined;
  return { service: serviceOf(cluster), version, failure: meaning, milliseconds };
}

/** A version's own cluster is `claims@2.1.0`. */
export const serviceOf = (cluster: string): string => cluster.split('@')[0] ?? cluster;

function meaningOfFlags(flags: string | undefined): Meaning | undefined {
  const set = flags?.split(',') ?? [];
  return meanings.find(([, known]) => set.some((flag) => known.has(flag)))?.[0];
}

function meaningOfAnswer(status: number, outcome: string | undefined): Meaning | undefined {
  if (!(status >= 100)) return 'nothing';
  if (status >= 400) return 'http';
  return outcome === undefined ? undefined : scanned[outcome];
}
