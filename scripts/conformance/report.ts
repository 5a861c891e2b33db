/** The conformance tables: totals, what differs, and with `--all` every scenario. */
import {
  byScenario,
  checkScore,
  differences,
  scenarioScore,
  type Difference,
  type Score,
} from './compare.js';
import { markdownTable } from '../markdown_table.js';
import { requiredScenarios, type Check, type Selection } from './suite.js';

/** What the suite says of a failure can be a page. */
const shortened = (message: string): string =>
  message.length > 100 ? `${message.slice(0, 99)}…` : message;

export interface Leg {
  readonly title: string;
  readonly checks: readonly Check[];
}

/** One selection of the suite: the direct leg, and those through the gateway. */
export interface Comparison {
  readonly selection: Selection;
  readonly direct: Leg;
  readonly gateway: readonly Leg[];
}

export function worseThanDirect({ direct, gateway }: Comparison): readonly Difference[] {
  return gateway.flatMap(({ checks }) =>
    differences(direct.checks, checks).filter(({ worse }) => worse),
  );
}

export function totals(comparisons: readonly Comparison[]): string {
  const head = ['Suite', 'Leg', 'Scenarios passed', 'Checks passed', 'Not scored', 'Worse'];
  const rows = comparisons.flatMap(({ selection, direct, gateway }) =>
    [direct, ...gateway].map((leg) => {
      const required = requiredScenarios(selection);
      const counts = (check: Check): boolean => required?.has(check.scenario) ?? true;
      const scored = leg.checks.filter(counts);
      const rest = leg.checks.filter((check) => !counts(check));
      const found = differences(direct.checks, leg.checks).filter(({ worse }) => worse);
      return [
        leg === direct ? selection.title : '',
        leg.title,
        written(scenarioScore(scored)),
        written(checkScore(scored)),
        rest.length === 0 ? '' : written(checkScore(rest)),
        leg === direct ? '' : String(found.length),
      ];
    }),
  );
  return markdownTable(head, rows);
}

const written = ({ passed, total }: Score): string => `${passed} of ${total}`;

/** Every check whose status is not that of the direct run; undefined: there is none. */
export function differing({ selection, direct, gateway }: Comparison): string | undefined {
  const rows = gateway.flatMap(({ title, checks }) =>
    differences(direct.checks, checks).map((found) => [
      title,
      `${found.scenario}: ${found.check}`,
      found.direct,
      `${found.gateway}${found.worse ? ' (worse)' : ''}`,
      shortened(found.message),
    ]),
  );
  if (rows.length === 0) return undefined;
  const head = ['Leg', 'Scenario: check', 'Direct', 'Through it', 'Why'];
  return `${selection.title}\n${markdownTable(head, rows)}`;
}

/** What the direct run does not pass, where it counts: undefined when there is nothing. */
export function notPassedDirectly({ selection, direct }: Comparison): string | undefined {
  const required = requiredScenarios(selection);
  const rows = direct.checks
    .filter(({ scenario }) => required?.has(scenario) ?? true)
    .filter(({ status }) => status === 'WARNING' || status === 'FAILURE')
    .map(({ scenario, id, status, message }) => [`${scenario}: ${id}`, status, shortened(message)]);
  if (rows.length === 0) return undefined;
  return `${selection.title}: not passed directly either\n${markdownTable(
    ['Scenario: check', 'Status', 'Why'],
    rows,
  )}`;
}

export function everyScenario({ selection, direct, gateway }: Comparison): string {
  const legs = [direct, ...gateway];
  const groups = legs.map(({ checks }) => byScenario(checks));
  const required = requiredScenarios(selection);
  const names = [...new Set(groups.flatMap((group) => [...group.keys()]))].sort();
  const rows = names.map((name) => [
    required === undefined || required.has(name) ? name : `${name} (not scored)`,
    ...groups.map((group) => written(checkScore(group.get(name) ?? []))),
  ]);
  const head = ['Scenario: checks passed', ...legs.map(({ title }) => title)];
  return `${selection.title}\n${markdownTable(head, rows)}`;
}
