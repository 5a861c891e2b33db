/** What a rollout that begins will do, in the words of its plan: nobody should have to guess. */
import type { JudgeLimits, MatchRule, Rollout } from '../fleet/rollout.js';
import { listed, percent, spoken } from './words.js';

/** One line each. */
export function courseOf({ kind, steps, everyMs, limits, match, mirror }: Rollout): string[] {
  return [
    kind === 'canary'
      ? `${steps.join(' → ')} %, each for ${spoken(everyMs)} at least`
      : 'no traffic until it is switched to, then all at once',
    limits ? `taken back ${whenBad(limits)}` : 'judged by nobody: it is taken back by command only',
    ...(match.length > 0 ? [`whatever its share, for callers with ${ruleWords(match)}`] : []),
    ...(mirror > 0 ? [`gets a copy of ${mirror} % of the read-only calls`] : []),
  ];
}

const whenBad = ({ maxErrorRate, maxP99Increase, minCalls }: JudgeLimits): string =>
  `when over ${percent(maxErrorRate)} of its calls fail or its p99 is over ` +
  `${percent(maxP99Increase)} slower, each beside the old version; judged from ` +
  `${minCalls} ${minCalls === 1 ? 'call' : 'calls'} on`;

const ruleWords = (rules: readonly MatchRule[]): string =>
  listed(
    rules.map((rule) =>
      'header' in rule ? `${rule.header}: ${rule.value}` : `principal ${rule.principal}`,
    ),
  );
