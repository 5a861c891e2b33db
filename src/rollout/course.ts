/** What a rollout that begins will do, in the words of its plan: nobody should have to guess. */
import type { JudgeLimits, MatchRule, Rollout } from '../fleet/rollout.js';
import { listed, percent, spoken } from './words.js';

/** One line each. */
export function courseOf({ service, match, mirror, limits, ...rollout }: Rollout): string[] {
  const path = `/mcp/${service}`;
  const matched =
    `whatever its share, for callers of ${path} with ${ruleWords(match)}; on /mcp they go by ` +
    'the shares';
  const copied =
    `gets a copy of ${mirror} % of the read-only calls of modern clients at ${path}; those on ` +
    '/mcp are not copied';
  return [
    rollout.kind === 'canary'
      ? stepWords(rollout)
      : 'no traffic until it is switched to, then all at once',
    limits ? `taken back ${whenBad(limits)}` : 'judged by nobody: it is taken back by command only',
    ...(match.length > 0 ? [matched] : []),
    ...(mirror > 0 ? [copied] : []),
  ];
}

function stepWords({ steps, everyMs }: Pick<Rollout, 'steps' | 'everyMs'>): string {
  const shares = steps.map((step) => (step === 0 ? '0 (copies only)' : step));
  return `${shares.join(' → ')} %, each for ${spoken(everyMs)} at least`;
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
