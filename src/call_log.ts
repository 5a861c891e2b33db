/**
 * What Envoy writes of a call and the control plane reads: one line, and both of its sides.
 * Nothing in it holds the sign between the fields: names and versions do not, the rest is
 * numbers and words of our own and of Envoy.
 */

/** Metadata of a request that our own filters write and the line repeats. */
export const callMetadata = {
  namespace: 'mcpx',
  /** Answered and in the sample, and how large a part of the answered ones that is. */
  share: 'share',
  /** What the answer's body is: `rpc_error`, `tool_error`, …; absent: it is well, or not there. */
  outcome: 'outcome',
} as const;

/**
 * Envoy's flags of calls that failed on the way, by kind. These calls are told even when they
 * got no answer, and so were in no sample.
 */
export const failureFlags = {
  timeout: ['UT', 'UMSDR', 'SI', 'DT'],
  reset: ['UF', 'UC', 'UR', 'LR', 'UPE', 'URX'],
} as const;

const dynamic = (key: string): string => `%DYNAMIC_METADATA(${callMetadata.namespace}:${key})%`;

/** Field → what Envoy puts there. */
const fields = {
  cluster: '%UPSTREAM_CLUSTER%',
  /** Of the host that answered, which is not always the one that was picked first. */
  version: '%UPSTREAM_METADATA(envoy.lb:version)%',
  status: '%RESPONSE_CODE%',
  flags: '%RESPONSE_FLAGS%',
  outcome: dynamic(callMetadata.outcome),
  share: dynamic(callMetadata.share),
  milliseconds: '%DURATION%',
  /** Milliseconds; absent: no answer ever began. */
  answeredAfter: '%RESPONSE_DURATION%',
} as const;

const names = Object.keys(fields) as (keyof typeof fields)[];

/** Envoy writes this for what there is none of. */
const absent = '-';

export const callLine = Object.values(fields).join('|');

/** The fields that are there. */
export type CallEntry = Readonly<Partial<Record<keyof typeof fields, string>>>;

/** Undefined: not a line of ours. */
export function readCallLine(line: string): CallEntry | undefined {
  const parts = line.split('|');
  if (parts.length !== names.length) return undefined;
  const entry: Partial<Record<keyof typeof fields, string>> = {};
  names.forEach((name, index) => {
    const part = parts[index];
    if (part && part !== absent) entry[name] = part;
  });
  return entry;
}
