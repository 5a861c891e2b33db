/** The commands that ship a version and take it back, in the order `--help` shows them. */
import type { CommandRow, OptionRow } from './command.js';

const to: OptionRow = { flags: '--to <version>', description: 'the version that is to serve' };
const from: OptionRow = {
  flags: '--from <version>',
  description: 'the one that leaves, where several serve',
};
const why: OptionRow = { flags: '--why <text>', description: 'kept in the history' };
const dryRun: OptionRow = { flags: '--dry-run', description: 'only show what would be done' };
const json: OptionRow = { flags: '--json', description: "print the API's JSON" };
const acceptBreaking: OptionRow = {
  flags: '--accept-breaking',
  description: 'go on although agents that know the old version may fail',
};

const drain: OptionRow = {
  flags: '--drain <duration>',
  description: 'how long the version that loses keeps its sessions (10m)',
};

const judged: readonly OptionRow[] = [
  { flags: '--max-error-rate <percent>', description: 'calls that may fail (canary: 1%)' },
  { flags: '--max-p99 <percent>', description: 'how much slower p99 may be (canary: +20%)' },
  { flags: '--min-calls <count>', description: 'calls before it is judged (100)' },
];

const reached: readonly OptionRow[] = [
  {
    flags: '--match <rule>',
    description:
      'who gets it at /mcp/SERVICE at once: header:x-team=qa, principal=spiffe://mcpx/qa',
    repeated: true,
  },
  {
    flags: '--mirror <percent>',
    description:
      'read-only calls of modern clients at /mcp/SERVICE that it gets a copy of, before any share',
  },
];

const ends = [why, dryRun, json];

export const rolloutCommands: readonly CommandRow[] = [
  {
    path: 'canary start',
    arguments: '<service>',
    summary: 'send a rising share of the calls to a new version; a bad one is taken back',
    options: [
      ...[to, from],
      { flags: '--steps <percents>', description: 'shares, rising (5,25,50,100)' },
      { flags: '--every <duration>', description: 'how long a step is watched (10m)' },
      ...[drain, ...judged, ...reached, acceptBreaking, ...ends],
    ],
    example: 'mcpx canary start claims --to 2.1.0 --steps 5,25,50,100 --every 10m',
    load: async () => (await import('./rollout.js')).start,
  },
  {
    path: 'canary status',
    arguments: '<service>',
    summary: 'watch how it goes, until it ends',
    options: [{ flags: '--once', description: 'show it once, and end' }, json],
    example: 'mcpx canary status claims',
    load: async () => (await import('./rollout_status.js')).status,
  },
  {
    path: 'canary promote',
    arguments: '<service>',
    summary: 'send everything to the new version now',
    options: ends,
    example: 'mcpx canary promote claims',
    load: async () => (await import('./rollout.js')).moving('promote'),
  },
  {
    path: 'canary pause',
    arguments: '<service>',
    summary: 'hold the share; it stays watched',
    options: ends,
    example: 'mcpx canary pause claims --why "after lunch"',
    load: async () => (await import('./rollout.js')).moving('pause'),
  },
  {
    path: 'canary resume',
    arguments: '<service>',
    summary: 'go on with the step that was paused',
    options: ends,
    example: 'mcpx canary resume claims',
    load: async () => (await import('./rollout.js')).moving('resume'),
  },
  {
    path: 'canary abort',
    arguments: '<service>',
    summary: 'send everything to the old version again',
    options: ends,
    example: 'mcpx canary abort claims --why "wrong totals"',
    load: async () => (await import('./rollout.js')).moving('abort'),
  },
  {
    path: 'bluegreen stage',
    arguments: '<service>',
    summary: 'make a new version reachable at /mcp/SERVICE@VERSION, without any traffic',
    options: [to, from, drain, ...judged, ...reached, acceptBreaking, ...ends],
    example: 'mcpx bluegreen stage claims --to 2.1.0',
    load: async () => (await import('./rollout.js')).stage,
  },
  {
    path: 'bluegreen switch',
    arguments: '<service>',
    summary: 'send all new sessions and stateless calls to the new version',
    options: [acceptBreaking, ...ends],
    example: 'mcpx bluegreen switch claims',
    load: async () => (await import('./rollout.js')).moving('switch'),
  },
  {
    path: 'bluegreen rollback',
    arguments: '<service>',
    summary: 'send everything to the old version again; the new one stays staged',
    options: ends,
    example: 'mcpx bluegreen rollback claims',
    load: async () => (await import('./rollout.js')).moving('rollback'),
  },
  {
    path: 'bluegreen finish',
    arguments: '<service>',
    summary: 'drain the old version and retire it',
    options: ends,
    example: 'mcpx bluegreen finish claims',
    load: async () => (await import('./rollout.js')).moving('finish'),
  },
  {
    path: 'bluegreen abort',
    arguments: '<service>',
    summary: 'give up a version that is staged',
    options: ends,
    example: 'mcpx bluegreen abort claims',
    load: async () => (await import('./rollout.js')).moving('abort'),
  },
  {
    path: 'bluegreen status',
    arguments: '<service>',
    summary: 'watch how it goes, until it ends',
    options: [{ flags: '--once', description: 'show it once, and end' }, json],
    example: 'mcpx bluegreen status claims --once',
    load: async () => (await import('./rollout_status.js')).status,
  },
  {
    path: 'rollback',
    arguments: '<service>',
    summary: 'take the last rollout back, whether it is under way or ended',
    options: ends,
    example: 'mcpx rollback claims --why "customers complain"',
    load: async () => (await import('./rollout.js')).rollback,
  },
  {
    path: 'history',
    arguments: '<service>',
    summary: 'show who moved which version, when, and why it ended',
    options: [json],
    example: 'mcpx history claims',
    load: async () => (await import('./history.js')).history,
  },
];
