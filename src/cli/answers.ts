/** What the commands read of the admin API's answers: the fields they show, and no more. */
import { z } from 'zod';

const eras = z.array(z.string());

const serviceSummary = z.object({
  name: z.string(),
  state: z.string(),
  reason: z.string().optional(),
  versions: z.array(z.string()),
  eras,
  instances: z.object({ passing: z.number(), total: z.number() }),
  tools: z.number(),
  sources: z.array(z.string()),
});

export const serviceList = z.object({ services: z.array(serviceSummary) });

const problem = z.object({
  code: z.string(),
  severity: z.enum(['error', 'warning']),
  actor: z.string(),
  path: z.string().optional(),
  message: z.string(),
  subject: z.record(z.string(), z.string()),
});

export const problemList = z.object({ problems: z.array(problem) });

export const auditList = z.object({
  lines: z.array(
    z.object({
      at: z.string(),
      id: z.string(),
      who: z.string(),
      role: z.string(),
      from: z.string(),
      what: z.string(),
      subject: z.record(z.string(), z.string()).default({}),
      before: z.unknown().optional(),
      after: z.unknown().optional(),
      outcome: z.string(),
      reason: z.string().default(''),
      unwritten: z.number().default(0),
    }),
  ),
});

const tool = z.object({
  name: z.string(),
  title: z.string().optional(),
  description: z.string().optional(),
});

export const serviceDetail = z.object({
  summary: serviceSummary,
  path: z.string(),
  instances: z.array(
    z.object({
      id: z.string(),
      source: z.string(),
      version: z.string(),
      url: z.string(),
      zone: z.string(),
      weight: z.number(),
      passing: z.boolean(),
      checkedBy: z.string(),
    }),
  ),
  policy: z.record(z.string(), z.unknown()),
  probe: z.object({ askedAt: z.string().optional() }).optional(),
  tools: z.array(tool),
  problems: z.array(problem),
});

export const registered = z.object({
  change: z.enum(['added', 'replaced', 'unchanged']),
  registration: z.object({
    id: z.string(),
    source: z.string(),
    name: z.string(),
    version: z.string(),
  }),
  replaces: z.string().optional(),
  warnings: z.array(problem),
});

export const planned = z.object({
  steps: z.array(
    z.object({
      service: z.string(),
      instance: z.string().optional(),
      version: z.string().optional(),
      change: z.string(),
      problems: z.array(problem),
    }),
  ),
  resources: z.array(
    z.object({ kind: z.string(), name: z.string(), change: z.string(), bytes: z.number() }),
  ),
  nodes: z.array(z.object({ id: z.string(), resources: z.number(), bytes: z.number() })),
  problems: z.object({ appeared: z.array(problem), mended: z.array(problem) }),
});

export const removed = z.object({ removed: z.array(z.string()) });

export const toolList = z.object({
  tools: z.array(tool.extend({ service: z.string(), eras })),
  missing: z.array(z.object({ service: z.string(), reason: z.string() })),
});

const heldServices = z.array(z.object({ service: z.string(), instances: z.array(z.string()) }));

export const registryList = z.object({
  registries: z.array(
    z.object({
      source: z.string(),
      state: z.string(),
      reason: z.string().optional(),
      since: z.string().optional(),
      instances: z.number(),
      held: z
        .object({ instances: z.number(), until: z.string().optional(), services: heldServices })
        .optional(),
    }),
  ),
});

export const acceptedLoss = z.object({ instances: z.number(), services: heldServices });

export const node = z.object({
  id: z.string(),
  version: z.string(),
  role: z.string(),
  address: z.string(),
  connectedSince: z.string(),
  certificate: z.object({ expiresAt: z.string(), late: z.boolean() }).optional(),
  inSync: z.boolean(),
  lagMs: z.number(),
  overdue: z.boolean(),
  kinds: z.record(
    z.string(),
    z.object({
      acknowledged: z.string().optional(),
      held: z.number(),
      inFlight: z.boolean(),
      overdue: z.boolean(),
      settled: z.boolean(),
      refused: z.array(z.string()),
    }),
  ),
  lastRefusal: z
    .object({ kind: z.string(), names: z.array(z.string()), message: z.string(), at: z.string() })
    .optional(),
});

export const nodeList = z.object({ nodes: z.array(node) });

const rolloutEvent = z.object({
  at: z.string(),
  who: z.string(),
  what: z.string(),
  from: z.string().optional(),
  to: z.string(),
  share: z.number(),
  why: z.string(),
});

const rollout = z.object({
  kind: z.string(),
  from: z.string(),
  to: z.string(),
  phase: z.string(),
  steps: z.array(z.number()),
  step: z.number(),
  events: z.array(rolloutEvent),
});

export const rolloutHistory = z.object({ rollouts: z.array(rollout) });

export const rolloutStatus = z.object({
  service: z.string(),
  rollout,
  open: z.boolean(),
  versions: z.array(
    z.object({
      version: z.string(),
      share: z.number(),
      instances: z.object({ passing: z.number(), total: z.number() }),
      signals: z
        .object({
          calls: z.number(),
          failed: z.number(),
          failures: z.record(z.string(), z.number()),
          p99Ms: z.number().optional(),
        })
        .optional(),
    }),
  ),
  verdict: z.object({ kind: z.string(), why: z.string() }).optional(),
  next: z.object({ what: z.string(), why: z.string() }),
  lagging: z.array(z.object({ node: z.string(), refused: z.boolean() })),
});

export const rolloutPlan = z.object({
  service: z.string(),
  what: z.string(),
  kind: z.string(),
  from: z.string(),
  to: z.string(),
  phase: z.object({ from: z.string().optional(), to: z.string() }),
  shares: z.array(z.object({ version: z.string(), from: z.number(), to: z.number() })),
  drain: z.object({ words: z.string() }).optional(),
  course: z.array(z.string()),
  warnings: z.array(z.string()).default([]),
  nodes: z.array(z.string()),
  resources: z.array(z.object({ kind: z.string(), name: z.string(), change: z.string() })),
  differences: z.array(z.object({ subject: z.string(), words: z.string(), breaking: z.boolean() })),
  why: z.string(),
  seen: z.object({ id: z.string(), phase: z.string(), step: z.number() }).optional(),
});

export const joinToken = z.object({ token: z.string(), until: z.string() });

export const personCertificate = z.object({
  id: z.string(),
  chain: z.string(),
  roots: z.string(),
  until: z.string(),
});

export const rootList = z.object({
  roots: z.array(
    z.object({
      fingerprint: z.string(),
      state: z.string(),
      since: z.string(),
      until: z.string().optional(),
      expiresAt: z.string(),
    }),
  ),
});

export const certificateList = rootList.extend({
  identity: z.string(),
  issuer: z.string().optional(),
  certificates: z.array(
    z.object({
      workload: z.string(),
      spiffeId: z.string(),
      expiresAt: z.string(),
      late: z.boolean(),
    }),
  ),
  gateway: z.object({ file: z.string(), expiresAt: z.string(), late: z.boolean() }).optional(),
});
