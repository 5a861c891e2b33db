/** A rollout as a picture: who gets how much, how each version fares, what is next. */
import type { z } from 'zod';
import type { Colours } from '../colours.js';
import type { rolloutStatus } from './answers.js';
import { plain, table } from './table.js';
import type { Terminal } from './terminal.js';

type Status = z.infer<typeof rolloutStatus>;
type Version = Status['versions'][number];

const barCells = 40;

export function picture(status: Status, terminal: Terminal, now: number): string {
  const { colours } = terminal;
  const { service, rollout, versions, verdict, next, lagging } = status;
  const { kind, from, to, phase, events } = rollout;
  const begun = events[0];
  const by = begun ? `, begun by ${plain(begun.who)} ${ago(begun.at, now)}` : '';
  const title = colours.bold(`${kind} of ${service}  ${plain(from)} → ${plain(to)}`);
  const heard = versions.some(({ signals }) => signals);
  return [
    `${title}  ${phaseText(phase, colours)}${by}`,
    '',
    ...versions.map((version) => barOf(version, status, colours)),
    '',
    ...(kind === 'canary' ? [stepsOf(status, colours), ''] : []),
    ...(heard ? [signalsTable(versions, terminal), ''] : []),
    // While it has nothing to say, that is what is waited for.
    ...(verdict && !next.why.startsWith(verdict.why)
      ? [`judge  ${verdictText(verdict, colours)}`]
      : []),
    ...lagging.map(({ node, refused }) =>
      colours.red(
        `Envoy  ${plain(node)} ${refused ? 'refuses' : 'does not hold'} these shares yet`,
      ),
    ),
    ...(status.open
      ? [`next   ${nextText(next, colours)}`]
      : [`ended  ${endText(status)}`, `drain  ${plain(next.why)}`]),
  ].join('\n');
}

function barOf({ version, share, instances }: Version, status: Status, colours: Colours): string {
  const longest = Math.max(...status.versions.map((each) => each.version.length));
  const filled = Math.round((share / 100) * barCells);
  // A little is not nothing.
  const cells = share > 0 ? Math.max(1, filled) : 0;
  const bar = '█'.repeat(cells);
  const isNew = version === status.rollout.to;
  const name = plain(version).padEnd(longest);
  const figure = `${Math.round(share * 10) / 10} %`.padStart(6);
  const { passing, total } = instances;
  const health = `${passing} of ${total} pass`;
  return [
    `${name}  ${isNew ? colours.cyan(bar) : bar}${colours.dim('░'.repeat(barCells - cells))}`,
    figure,
    passing === 0 ? colours.red(health) : colours.dim(health),
  ].join('  ');
}

/** `steps  0 copies only ─ [25] ─ 50 ─ 100`: the one in brackets holds now. */
function stepsOf({ rollout: { steps, step }, open }: Status, colours: Colours): string {
  const marked = steps.map((share, at) => {
    const named = share === 0 ? '0 copies only' : `${share}`;
    if (at === step && open) return colours.bold(`[${named}]`);
    return at < step ? named : colours.dim(named);
  });
  return `steps  ${marked.join(' ─ ')} %`;
}

const kinds = ['http', 'rpc', 'tool', 'reset', 'timeout'] as const;

function signalsTable(versions: readonly Version[], terminal: Terminal): string {
  const rows = versions.flatMap(({ version, signals }) => {
    if (!signals) return [];
    const { calls, failed, failures, p99Ms } = signals;
    const rate = calls === 0 ? '' : `${Math.round((failed / calls) * 1000) / 10} %`;
    const shown = failed > 0 ? terminal.colours.red(rate) : rate;
    const counted = kinds.map((kind) => failures[kind] || '');
    return [[plain(version), calls, shown, ...counted, p99Ms === undefined ? '' : `${p99Ms} ms`]];
  });
  const head = ['VERSION', 'CALLS', 'FAILED', 'HTTP', 'RPC', 'TOOL', 'RESET', 'TIMEOUT', 'P99'];
  return table(terminal, head, rows);
}

type Colour = 'green' | 'yellow' | 'red' | 'cyan';

const phaseColours: Readonly<Record<string, Colour>> = {
  running: 'cyan',
  staged: 'cyan',
  paused: 'yellow',
  switched: 'yellow',
  aborted: 'red',
  rolled_back: 'red',
};

const phaseText = (phase: string, colours: Colours): string =>
  colours[phaseColours[phase] ?? 'green'](phase.replace('_', ' '));

const verdictColours: Readonly<Record<string, Colour>> = {
  good: 'green',
  bad: 'red',
  disaster: 'red',
};

const verdictText = ({ kind, why }: NonNullable<Status['verdict']>, colours: Colours): string =>
  `${colours[verdictColours[kind] ?? 'yellow'](kind)}: ${plain(why)}`;

function nextText({ what, why }: Status['next'], colours: Colours): string {
  return what === 'wait' ? `waits: ${plain(why)}` : `${colours.bold(what)} now: ${plain(why)}`;
}

function endText({ rollout: { events } }: Status): string {
  const last = events.findLast(({ what }) => what !== 'retire');
  if (!last) return '';
  const why = last.why === '' ? '' : `: ${plain(last.why)}`;
  return `${last.what} by ${plain(last.who)}${why}`;
}

function ago(at: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(at)) / 1000));
  if (seconds < 90) return `${seconds} s ago`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min ago` : `${Math.round(minutes / 60)} h ago`;
}
