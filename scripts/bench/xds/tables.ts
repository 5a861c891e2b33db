/** The figures as Markdown, and under which conditions they hold. */
import { markdownTable } from '../../markdown_table.js';
import { compared, isReached, ratio, type Goal } from './goals.js';
import type {
  CornerFigures,
  HostileFigures,
  Plan,
  RegisteringFigures,
  ServerName,
} from './measure.js';

const titles: Readonly<Record<ServerName, string>> = {
  mcpx: 'MCPX',
  linear: 'LinearCache',
  snapshot: 'SnapshotCache',
};

const late = 'not in time';
const cornerName = ({ services, clients }: CornerFigures): string => `${services}×${clients}`;

/** Three digits that count. */
function show(value: number): string {
  if (value >= 100 || value === 0) return String(Math.round(value));
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** Each server of each corner, in a row. */
function rowsOf(
  corners: readonly CornerFigures[],
  cells: (
    figures: NonNullable<CornerFigures['servers'][ServerName]>,
    corner: CornerFigures,
  ) => string[],
): string[][] {
  return corners.flatMap((corner) =>
    (Object.keys(titles) as ServerName[]).flatMap((name) => {
      const figures = corner.servers[name];
      return figures ? [[cornerName(corner), titles[name], ...cells(figures, corner)]] : [];
    }),
  );
}

export function cornersTable(corners: readonly CornerFigures[]): string {
  const heads = [
    ...['services × clients', 'server', 'cold start: ms', 'CPU ms', 'MiB sent'],
    ...['one change: p50 / p99 ms', 'CPU ms', 'CPU µs a client'],
    ...['reconnect of all: CPU ms', 'resources again', 'peak RSS MiB'],
  ];
  const rows = rowsOf(corners, ({ cold, change, reconnect, peakMiB }, { clients }) => [
    ...(cold ? [cold.ms, cold.processorMs, cold.mib].map(show) : [late, '', '']),
    ...(change
      ? [
          `${show(change.p50Ms)} / ${show(change.p99Ms)}`,
          show(change.processorMs),
          show((change.processorMs * 1_000) / clients),
        ]
      : [late, '', '']),
    ...(reconnect ? [reconnect.processorMs, reconnect.resourcesPerClient].map(show) : [late, '']),
    show(peakMiB),
  ]);
  return markdownTable(heads, rows);
}

export function floodsTable(corners: readonly CornerFigures[]): string {
  const heads = [
    ...['services × clients', 'server', 'burst of 300: s to the last state'],
    ...['responses a client', 'CPU ms', 'churn 200/s: s to the last state'],
    ...['responses a client and change', 'CPU ms'],
  ];
  const rows = rowsOf(corners, ({ burst, churn }) => [
    ...(burst ? [burst.ms / 1_000, burst.responsesPerClient, burst.processorMs].map(show) : gone),
    ...(churn
      ? [churn.ms / 1_000, churn.responsesPerClient / churn.count, churn.processorMs].map(show)
      : gone),
  ]);
  return markdownTable(heads, rows);
}

const gone: readonly string[] = [late, '', ''];

export function ratiosTable(corners: readonly CornerFigures[]): string {
  const heads = [
    ...['services × clients', 'change: CPU', 'change: p99', 'cold start: ms'],
    ...['cold start: CPU', 'burst: CPU', 'reconnect: CPU', 'peak RSS'],
  ];
  const picks = [
    ...[compared.changeProcessor, compared.changeP99, compared.coldMs, compared.coldProcessor],
    ...[compared.burstProcessor, compared.reconnectProcessor, compared.memory],
  ];
  const rows = corners.map((corner) => [
    cornerName(corner),
    ...picks.map((pick) => {
      const value = ratio(corner, pick);
      return value === null ? '–' : `${value.toFixed(2)}×`;
    }),
  ]);
  return markdownTable(heads, rows);
}

export function growthTable(all: readonly RegisteringFigures[]): string {
  const heads = ['clients', 'services there', 'CPU ms', 'bytes to each client', 'ms to all'];
  const rows = all.map((each) => [
    ...[String(each.clients), String(each.services)],
    ...[show(each.processorMs), show(each.bytesPerClient), show(each.lastMs)],
  ]);
  return markdownTable(heads, rows);
}

export function hostileTable(figures: HostileFigures): string {
  const heads = [
    ...['services × clients', 'hostile', 'one change to the others: p50 / p99 ms'],
    ...['p99 ms of the median change', 'CPU ms'],
  ];
  const { services, clients, hostile, without, with: among } = figures;
  const rows = (
    [
      [0, without],
      [hostile, among],
    ] as const
  ).map(([count, changes]) => [
    ...[`${services}×${clients}`, String(count)],
    `${show(changes.p50Ms)} / ${show(changes.p99Ms)}`,
    ...[show(changes.eachP99Ms), show(changes.processorMs)],
  ]);
  return markdownTable(heads, rows);
}

export function goalsTable(goals: readonly Goal[]): string {
  const rows = goals.map((goal) => {
    const { text, corner, value, most, unit } = goal;
    const measured = value === null ? late : `${value.toFixed(2)}${unit}`;
    const verdict = value === null ? '–' : isReached(goal) ? 'reached' : 'missed';
    return [text, corner, `≤ ${most}${unit}`, measured, verdict];
  });
  return markdownTable(['goal', 'where', 'at most', 'measured', ''], rows);
}

export function conditions({ rounds, churnSeconds }: Plan, pinned: boolean): string {
  return [
    pinned
      ? 'The server had one core and the client fleet another.'
      : 'Server and clients shared the cores (no taskset): read no times, only CPU.',
    `Medians of ${rounds} round${rounds === 1 ? '' : 's'}, each server a fresh process in each, ` +
      'in turns;',
    `churn (${churnSeconds} s) and SnapshotCache were measured once.`,
    'Delta ADS without TLS; wildcard clusters, endpoints by name, 4 endpoints a service.',
    'Of the hostile tenth, a fifth each stops reading, never acknowledges, refuses everything,',
    'asks for 2,000 other names with every change, or opens 50 streams that say nothing;',
    'Both servers hold the same bytes for the same names: the reference got those that MCPX made.',
    'MCPX is its pipeline and its xDS server in one process, from a registration on (merging,',
    'rendering, hashing and checking are in its figures), without the file kept for restarts;',
    'the reference is told the ready resource. A change is a request on a socket, for both.',
    'CPU is utime + stime of the server, RSS its VmHWM; ratios and CPU are to be trusted, times',
    'are upper bounds where the client core is busy.',
  ].join(' ');
}
