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
  /** What it takes to remember the names that a client asks for or brings along. */
  readonly nameBytesPerStream: number;
  readonly nameBytesPerAddress: number;
  /** Responses of a type that were sent and not taken: whoever reads before it answers has one. */
  readonly unreadPerType: number;
  readonly requestBytes: number;
  /** Streams begun at once before the rate applies, and how many may wait for their turn. */
  readonly admittedBurst: number;
  readonly admittedPerSecond: number;
  readonly admissionQueue: number;
  /** Of what is said by those who wait for it. */
  readonly waitingBytesPerAddress: number;
  /** Streams that may be on their first answers together, each for so long. */
  readonly joiningAtOnce: number;
  readonly joiningMs: number;
  /** A stream on which nothing is said for so long is ended. */
  readonly firstRequestMs: number;
  /** An answer that takes longer is shown as overdue. */
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

const mebi = 1024 * 1024;

export const defaultLimits: Limits = {
  streamsPerNode: 32,
  streamsPerAddress: 4_096,
  connectionsPerAddress: 4_096,
  streamsPerConnection: 64,
  // Of 5,000 services each has a name of a type, or one for each version: four on average.
  namesPerSubscription: 20_000,
  // An Envoy of 5,000 services that comes back names 520 kB and brings along up to 2.5 MB.
  nameBytesPerStream: 8 * mebi,
  // A thousand such Envoys behind one address name 520 MB: room for twice as many.
  nameBytesPerAddress: 1_024 * mebi,
  unreadPerType: 2,
  requestBytes: 4 * mebi,
  admittedBurst: 1_000,
  admittedPerSecond: 1_000,
  admissionQueue: 10_000,
  // Most first requests are tiny; 200 Envoys of 5,000 services that all bring along what is old.
  waitingBytesPerAddress: 256 * mebi,
  joiningAtOnce: 64,
  joiningMs: 1_000,
  firstRequestMs: 5_000,
  answerMs: 15_000,
  keepaliveMs: 30_000,
  keepaliveAnswerMs: 10_000,
  connectionAgeMs: 3_600_000,
  connectionIdleMs: 60_000,
  connectionGraceMs: 5_000,
};
