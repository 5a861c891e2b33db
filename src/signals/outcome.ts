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
const meanings: readonly (readonly [Meaning | 'left', ReadonlySet<string>])[] = [
  // The agent broke off, or no host was ever asked: no version is to blame.
  ['nothing', new Set(['DPE', 'UH', 'UO', 'NR', 'NC', 'RL', 'OM'])],
  // The agent closed its connection, or, in HTTP/2, the stream of this call.
  ['left', new Set(['DC', 'DR'])],
  ['timeout', new Set(failureFlags.timeout)],
  ['reset', new Set(failureFlags.reset)],
];

/** What the scan of the body says; undefined: all was well. */
const scanned: Readonly<Record<string, Meaning | undefined>> = {
  answered: undefined,
  rpc_error: 'rpc',
  tool_error: 'tool',
  /** An answer of the handshake, or a list. Were they counted, they would hide failing calls. */
  no_call: 'nothing',
  /** An answer it could not read. */
  unread: 'nothing',
};

/** To notifications: they are no calls. */
const accepted = 202;

/** Undefined: it says nothing of a version. */
export function outcomeOf(entry: CallEntry): Outcome | undefined {
  const { cluster, version } = entry;
  const milliseconds = Number(entry.milliseconds);
  const status = Number(entry.status);
  if (!cluster || !version || !(milliseconds >= 0)) return undefined;
  const byFlags = meaningOfFlags(entry.flags);
  const meaning =
    byFlags === undefined || byFlags === 'left'
      ? meaningOfAnswer(status, entry.outcome, byFlags === 'left')
      : byFlags;
  if (meaning === 'nothing') return undefined;
  return { service: serviceOf(cluster), version, failure: meaning, milliseconds };
}

/** A version's own cluster is `claims@2.1.0`. */
export const serviceOf = (cluster: string): string => cluster.split('@')[0] ?? cluster;

function meaningOfFlags(flags: string | undefined): Meaning | 'left' | undefined {
  const set = flags?.split(',') ?? [];
  return meanings.find(([, known]) => set.some((flag) => known.has(flag)))?.[0];
}

function meaningOfAnswer(
  status: number,
  outcome: string | undefined,
  hasLeft: boolean,
): Meaning | undefined {
  if (!(status >= 100) || status === accepted) return 'nothing';
  if (status >= 400) return 'http';
  if (outcome !== undefined) return scanned[outcome];
  // Servers that hang have often sent their headers before, so that nothing else ends the call.
  // Agents leave for reasons of their own, too: those leave the old version as often.
  return hasLeft ? 'timeout' : undefined;
}
