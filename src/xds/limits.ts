/**
 * How much one client may take, and how long things may last. Those that an
 * operator sets are in `config.ts` too (`xds.limits`); tests set smaller ones.
 */
export interface Limits {
  /** An Envoy has one; one that comes back may have left some that nobody has noticed yet. */
  readonly streamsPerNode: number;
  readonly streamsPerAddress: number;
  readonly connectionsPerAddress: number;
  readonly streamsPerConnection: number;
  readonly namesPerSubscription: number;
  readonly requestBytes: number;
  /** Streams begun at once before the rate applies, and how many may wait for their turn. */
  readonly admittedBurst: number;
  readonly admittedPerSecond: number;
  readonly admissionQueue: number;
  /** Streams that may be on their first answers together, each for so long. */
  readonly joiningAtOnce: number;
  readonly joiningMs: number;
  /** An answer that takes longer is shown as overdue, and a stream that never speaks is ended. */
  readonly answerMs: number;
  /** A peer that is silent is asked after this time, and has so long to answer. */
  readonly keepaliveMs: number;
  readonly keepaliveAnswerMs: number;
  /** Give or take a tenth, so that a fleet spreads over the replicas and stays spread. */
  readonly connectionAgeMs: number;
  /** A connection on which there is nothing is ended. */
  readonly connectionIdleMs: number;
  /** How long streams go on after the word that the connection is to end. */
  readonly connectionGraceMs: number;
}

export const defaultLimits: Limits = {
  streamsPerNode: 32,
  streamsPerAddress: 4_096,
  connectionsPerAddress: 4_096,
  streamsPerConnection: 64,
  namesPerSubscription: 50_000,
  requestBytes: 4 * 1024 * 1024,
  admittedBurst: 1_000,
  admittedPerSecond: 1_000,
  admissionQueue: 10_000,
  joiningAtOnce: 64,
  joiningMs: 1_000,
  answerMs: 15_000,
  keepaliveMs: 30_000,
  keepaliveAnswerMs: 10_000,
  connectionAgeMs: 3_600_000,
  connectionIdleMs: 60_000,
  connectionGraceMs: 5_000,
};
