/** What the admin API takes and answers about rollouts. */
import { z } from 'zod';
import { reservedHeaders, sessionHeader } from '../gateway_contract.js';
import { parseDuration } from '../registry/duration.js';
import { failureKinds } from '../rollout/judge.js';
import { named } from './schemas.js';

const count = z.int().min(0);
const phases = [
  ...(['running', 'paused', 'promoted', 'aborted'] as const),
  ...(['staged', 'switched', 'finished', 'rolled_back'] as const),
] as const;
const phase = z.enum(phases);
const kind = z.enum(['canary', 'bluegreen']);

const wholeNumber = (least: number, most: number) => {
  const error = `a whole number from ${least} to ${most}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
};

const version = z.string({ error: 'a version, as text' }).min(1, { error: 'a version, as text' });
const flag = z.boolean({ error: 'true or false' });
const words = z.string({ error: 'text' }).max(500, { error: 'at most 500 characters' });

/** As far back as signals are kept. */
const week = 168 * 3_600_000;

const duration = (least: number, error: string) =>
  z.string({ error }).transform((written, context) => {
    const milliseconds = parseDuration(written);
    if (milliseconds !== undefined && milliseconds >= least && milliseconds <= week)
      return milliseconds;
    context.addIssue({ code: 'custom', message: error });
    return z.NEVER;
  });
const every = duration(1, 'a duration such as 30s, 10m or 1h, at most 168h');
const drain = duration(0, 'a duration such as 0s, 10m or 1h, at most 168h');

const secretHeaders = new Set(['authorization', 'proxy-authorization', 'cookie', 'x-api-key']);

/** A session stays on the version that it began on; the others are taken off at the door. */
const unmatched = new Set([sessionHeader, ...reservedHeaders, 'x-forwarded-client-cert']);

const headerRule = z.strictObject(
  {
    header: z
      .string({ error: 'the name of a header' })
      .regex(/^[\w!#$%&'*+.^`|~-]+$/, { error: 'the name of a header' })
      .refine((name) => !unmatched.has(name.toLowerCase()), {
        error:
          'a header that the first call of a session has and that comes through the gateway: ' +
          `never ${[...unmatched].join(', ')}`,
      })
      .refine((name) => !secretHeaders.has(name.toLowerCase()), {
        error: 'a header without a secret in it: rules are kept in the registry and shown',
      }),
    value: z.string({ error: 'text' }).min(1, { error: 'the whole value, as text' }),
  },
  { error: 'a header and its value, or a principal: {"header": "x-team", "value": "qa"}' },
);

const principalRule = z.strictObject({
  principal: z
    .string({ error: "the URI of an agent's certificate such as spiffe://mcpx/qa" })
    .regex(/^[a-z][a-z0-9+.-]*:[\x21-\x7e]+$/, {
      error: "the URI of an agent's certificate such as spiffe://mcpx/qa",
    }),
});

/** What begins a rollout. */
export const rolloutOrder = named(
  'RolloutOrder',
  z.strictObject({
    kind: z.enum(['canary', 'bluegreen'], { error: 'canary or bluegreen' }).default('canary'),
    to: version.describe('the version that is to serve'),
    from: version.optional().describe('the one that leaves; needed where several serve'),
    steps: z
      .array(wholeNumber(1, 100), { error: 'a list of percents' })
      .optional()
      .describe(
        'canary: percent of the new version, rising; 5, 25, 50, 100 unless given. With mirror, ' +
          '0 comes before them: copies only',
      ),
    every: every.optional().describe('canary: how long a step is watched; 10m unless given'),
    drain: drain
      .optional()
      .describe('how long the version that loses keeps its sessions; 10m unless given'),
    maxErrorRate: z
      .number({ error: 'a share of calls: 0.01 is 1 %' })
      .min(0, { error: 'a share of calls: 0.01 is 1 %' })
      .lt(1, { error: 'below 1: 0.01 is 1 %' })
      .optional()
      .describe('share of calls that may fail; 0.01 unless given'),
    maxP99: z
      .number({ error: 'how much slower p99 may be: 0.2 is +20 %' })
      .min(0, { error: '0 or more: 0.2 is +20 %' })
      .optional()
      .describe('how much slower p99 may be; 0.2 unless given'),
    minCalls: wholeNumber(1, 1_000_000).optional().describe('before it is judged; 100'),
    match: z
      .array(z.union([headerRule, principalRule]), { error: 'a list of rules' })
      .max(10, { error: 'at most 10 rules' })
      .optional()
      .describe('calls of /mcp/{service} that go to the new version whatever its share'),
    mirror: wholeNumber(0, 100)
      .optional()
      .describe(
        'percent of the read-only calls of /mcp/{service}, by modern clients, that are copied',
      ),
    acceptBreaking: flag.optional().describe('go on although agents may fail'),
    why: words.optional(),
  }),
);

/** What moves one on. */
export const rolloutAction = named(
  'RolloutAction',
  z.strictObject({
    why: words.optional().describe('kept in the history'),
    acceptBreaking: flag.optional().describe('switch: go on although agents may fail'),
    seen: z
      .strictObject({ id: z.string(), phase, step: count })
      .optional()
      .describe('the state it is meant for; refused when that has changed'),
  }),
);

const event = z.object({
  at: z.iso.datetime(),
  who: z.string().describe('`mcpx` where the control plane went on by itself'),
  what: z.string(),
  from: phase.optional(),
  to: phase,
  share: z.number().describe('percent of the new version after it'),
  why: z.string(),
});

export const rollout = named(
  'Rollout',
  z.object({
    ...{ id: z.string(), kind, from: z.string(), to: z.string(), phase },
    steps: z.array(z.number()),
    step: count.describe('which of the steps holds, from 0'),
    stepSince: z.iso.datetime(),
    everyMs: count,
    drainMs: count.describe('how long the version that loses keeps its sessions after the end'),
    limits: z
      .object({ maxErrorRate: z.number(), maxP99: z.number(), minCalls: count })
      .optional()
      .describe('absent: nobody judges'),
    match: z.array(z.record(z.string(), z.string())),
    mirror: z.number(),
    events: z.array(event).describe('oldest first'),
  }),
);

export const rolloutHistory = named(
  'RolloutHistory',
  z.object({ service: z.string(), rollouts: z.array(rollout).describe('newest first') }),
);

const signals = z.object({
  calls: count,
  failed: count,
  failures: z.object(Object.fromEntries(failureKinds.map((each) => [each, count]))),
  p99Ms: z.number().optional(),
});

export const rolloutStatus = named(
  'RolloutStatus',
  z.object({
    service: z.string(),
    rollout,
    open: z.boolean().describe('whether it goes on'),
    versions: z.array(
      z.object({
        version: z.string(),
        share: z.number().describe('percent of the new traffic'),
        instances: z.object({ passing: count, total: count }),
        signals: signals.optional().describe('since the step began; absent: nothing is known'),
      }),
    ),
    verdict: z
      .object({ kind: z.enum(['waiting', 'good', 'bad', 'disaster']), why: z.string() })
      .optional(),
    next: z.object({
      what: z.string().describe('`wait`, or what the control plane does now'),
      why: z.string(),
      againInMs: count.optional().describe('when time alone may change it'),
    }),
    lagging: z
      .array(z.object({ node: z.string(), refused: z.boolean() }))
      .describe('Envoys that do not hold the present shares'),
  }),
);

export const rolloutPlan = named(
  'RolloutPlan',
  z.object({
    service: z.string(),
    dryRun: z.boolean(),
    what: z.string(),
    ...{ kind, from: z.string(), to: z.string() },
    phase: z.object({ from: phase.optional(), to: phase }),
    shares: z.array(z.object({ version: z.string(), from: z.number(), to: z.number() })),
    drain: z
      .object({ version: z.string(), ms: count, words: z.string() })
      .optional()
      .describe('where it ends: who keeps its sessions for how long'),
    course: z.array(z.string()).describe('where one begins: what it will do, in words'),
    warnings: z.array(z.string()).describe('what to know before going on'),
    nodes: z.array(z.string()).describe('Envoys that are told'),
    resources: z.array(
      z.object({
        kind: z.string(),
        name: z.string(),
        change: z.enum(['added', 'changed', 'removed']),
      }),
    ),
    differences: z
      .array(z.object({ subject: z.string(), words: z.string(), breaking: z.boolean() }))
      .describe('how the versions differ for agents, where traffic is to move'),
    why: z.string(),
    seen: z
      .object({ id: z.string(), phase, step: count })
      .optional()
      .describe('the state it was made for: send it with the action, and only that is done'),
  }),
);
