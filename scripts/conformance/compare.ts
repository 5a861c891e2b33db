/** Sets two runs of the suite side by side: where is the gateway worse than the server itself? */
import type { Check, Status } from './suite.js';

type Seen = Status | 'absent';

/** Lower is better. A scenario passes with warnings too, so each check is held to its twin. */
const rank: Readonly<Record<Seen, number>> = {
  SUCCESS: 0,
  INFO: 1,
  SKIPPED: 1,
  WARNING: 2,
  FAILURE: 3,
  absent: 3,
};

export interface Difference {
  readonly scenario: string;
  readonly check: string;
  readonly direct: Seen;
  readonly gateway: Seen;
  readonly message: string;
  readonly worse: boolean;
}

export function differences(
  direct: readonly Check[],
  gateway: readonly Check[],
): readonly Difference[] {
  const [before, after] = [byName(direct), byName(gateway)];
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((name) => {
    const [one, other] = [before.get(name), after.get(name)];
    const any = one ?? other;
    if (any === undefined || one?.status === other?.status) return [];
    return differs({ any, one, other, name }) ?? [];
  });
}

interface Pair {
  readonly any: Check;
  readonly one: Check | undefined;
  readonly other: Check | undefined;
  readonly name: string;
}

function differs({ any, one, other, name }: Pair): Difference | undefined {
  // What is only noted (a frame, a header) may come more or less often.
  if ([one?.status ?? 'INFO', other?.status ?? 'INFO'].every((status) => status === 'INFO'))
    return undefined;
  const gateway = other?.status ?? 'absent';
  // A check that the direct run never came to is bad news only when it is not good.
  const direct = one?.status ?? 'absent';
  const worse = rank[gateway] > (one === undefined ? rank.SKIPPED : rank[direct]);
  return {
    scenario: any.scenario,
    check: name.slice(any.scenario.length + 1),
    direct,
    gateway,
    message: (worse ? other : one)?.message ?? '',
    worse,
  };
}

/** Ids come again within a scenario: the second of a name is `name (2)`. */
function byName(checks: readonly Check[]): ReadonlyMap<string, Check> {
  const named = new Map<string, Check>();
  const seen = new Map<string, number>();
  for (const check of checks) {
    const name = `${check.scenario} ${check.id}`;
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    named.set(times === 1 ? name : `${name} (${times})`, check);
  }
  return named;
}

export interface Score {
  readonly passed: number;
  readonly total: number;
}

/** Checks that passed, of those that judge. */
export function checkScore(checks: readonly Check[]): Score {
  const judged = checks.filter(({ status }) => status !== 'INFO' && status !== 'SKIPPED');
  return {
    passed: judged.filter(({ status }) => status === 'SUCCESS').length,
    total: judged.length,
  };
}

/** As the suite counts: a scenario passes when none of its checks fails. */
export function scenarioScore(checks: readonly Check[]): Score {
  const scenarios = byScenario(checks);
  const passed = [...scenarios.values()].filter((group) =>
    group.every(({ status }) => status !== 'FAILURE'),
  );
  return { passed: passed.length, total: scenarios.size };
}

export function byScenario(checks: readonly Check[]): ReadonlyMap<string, readonly Check[]> {
  const groups = new Map<string, Check[]>();
  for (const check of checks)
    groups.set(check.scenario, [...(groups.get(check.scenario) ?? []), check]);
  return groups;
}
