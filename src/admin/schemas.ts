/** What the admin API answers, as schemas: the OpenAPI document and the tests read them. */
import { z } from 'zod';
import { catalogue, type ProblemCode } from '../errors.js';
import { eras } from '../fleet/fleet.js';

/** Schemas that have a name of their own in the OpenAPI document. */
export const components = z.registry<{ id: string }>();

export function named<T extends z.ZodType>(id: string, schema: T): T {
  components.add(schema, { id });
  return schema;
}

const count = z.int().min(0);
const era = z.enum(eras);
const source = z.enum(['file', 'consul', 'etcd']);
const anything = z.record(z.string(), z.unknown());

const problem = named(
  'Problem',
  z.object({
    code: z.enum(Object.keys(catalogue) as [ProblemCode, ...ProblemCode[]]),
    path: z.string().optional().describe('where in the input, as `traffic.outlier.interval`'),
    message: z.string().describe('what happened, to what, and what to do now'),
    severity: z.enum(['error', 'warning']),
    actor: z.enum(['operator', 'server owner', 'agent']).describe('who must act'),
    subject: z.object({
      source: z.string().optional(),
      service: z.string().optional(),
      instance: z.string().optional(),
      node: z.string().optional(),
      path: z.string().optional(),
    }),
  }),
);

export const problemDetails = named(
  'ProblemDetails',
  z.object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    problems: z.array(problem),
  }),
);

export const problemList = named('ProblemList', z.object({ problems: z.array(problem) }));

const instance = named(
  'Instance',
  z.object({
    id: z.string(),
    source,
    version: z.string(),
    url: z.string(),
    tags: z.array(z.string()),
    metadata: z.record(z.string(), z.string()),
    zone: z.string(),
    weight: z.int(),
    priority: z.int(),
    checkedBy: z.enum(['registry', 'envoy']),
    passing: z.boolean(),
    tls: z.enum(['off', 'tls', 'mutual']),
  }),
);

const serviceSummary = named(
  'ServiceSummary',
  z.object({
    name: z.string(),
    state: z
      .enum(['ready', 'unasked', 'failing', 'down'])
      .describe(
        'ready: its tools are served; unasked: not probed yet; failing: the last probe failed; ' +
          'down: no instance passes its checks',
      ),
    reason: z.string().optional().describe('why it is not ready'),
    versions: z.array(z.string()),
    eras: z.array(era).describe('what it was seen to speak, newest first'),
    instances: z.object({ passing: count, total: count }),
    tools: count.describe('tools that agents see'),
    sources: z.array(source),
  }),
);

export const serviceList = named('ServiceList', z.object({ services: z.array(serviceSummary) }));

const toolSummary = z.object({
  name: z.string().describe('what agents call'),
  tool: z.string().describe('what the server calls it'),
  title: z.string().optional(),
  description: z.string().optional(),
});

export const serviceDetail = named(
  'Service',
  z.object({
    summary: serviceSummary,
    path: z.string(),
    instances: z.array(instance),
    policy: z.object({ era: z.string(), health: anything, traffic: anything, expose: anything }),
    probe: z.object({
      asked: z.boolean(),
      askedAt: z
        .string()
        .optional()
        .describe('when it last told its eras and all it offers (ISO 8601); absent until then'),
      failure: z.object({ code: z.string(), message: z.string() }).optional(),
      serverInfo: anything.optional(),
      capabilities: anything.optional(),
      instructions: z.string().optional(),
    }),
    tools: z.array(toolSummary),
    problems: z.array(problem),
  }),
);

export const registered = named(
  'Registered',
  z.object({
    change: z
      .enum(['added', 'replaced', 'unchanged'])
      .describe('unchanged: it was there word for word, and nothing was written'),
    registration: anything.describe('the registration as decoded, defaults filled in'),
    replaces: z.string().optional().describe('the version that was at its address'),
    warnings: z.array(problem),
  }),
);

export const removed = named('Removed', z.object({ removed: z.array(z.string()) }));

export const toolList = named(
  'ToolList',
  z.object({
    tools: z.array(toolSummary.extend({ service: z.string(), eras: z.array(era) })),
    missing: z
      .array(z.object({ service: z.string(), reason: z.string() }))
      .describe('services whose tools are (or may be) not all listed'),
  }),
);

const holding = z.object({
  acknowledged: z.string().optional().describe('version of what it accepted last'),
  held: count.describe('resources it holds'),
  inFlight: z.boolean().describe('whether its answer is awaited'),
  overdue: z.boolean().describe('whether that answer is awaited too long'),
  settled: z.boolean().describe('whether it holds what the present snapshot says'),
  refused: z.array(z.string()).describe('names whose present form it has refused'),
});

export const node = named(
  'Node',
  z.object({
    id: z.string(),
    version: z.string().describe("Envoy's version"),
    role: z.string(),
    cluster: z.string(),
    address: z.string(),
    connectedSince: z.iso.datetime(),
    certificate: z
      .object({
        expiresAt: z.iso.datetime(),
        late: z.boolean().describe('whether it ought to have been renewed by then'),
      })
      .optional()
      .describe('what it showed when it connected; absent without TLS'),
    inSync: z.boolean(),
    lagMs: count.describe('how long it has not held the present snapshot; 0: it does'),
    overdue: z.boolean().describe('whether it has not answered a response in time'),
    kinds: z.record(z.string(), holding),
    lastRefusal: z
      .object({
        kind: z.string(),
        names: z.array(z.string()),
        message: z.string().describe("in Envoy's words"),
        at: z.iso.datetime(),
      })
      .optional(),
  }),
);

export const nodeList = named('NodeList', z.object({ nodes: z.array(node) }));

export const alive = named('Alive', z.object({ status: z.literal('ok'), version: z.string() }));

export const readiness = named(
  'Readiness',
  z.object({
    status: z.enum(['ready', 'stale']),
    detail: z.string(),
    registries: z.array(
      z.object({
        source,
        state: z.enum(['connecting', 'heard', 'lost']),
        reason: z.string().optional(),
      }),
    ),
  }),
);

const heldServices = z.array(z.object({ service: z.string(), instances: z.array(z.string()) }));

export const registryList = named(
  'RegistryList',
  z.object({
    registries: z.array(
      z.object({
        source,
        state: z.enum(['connecting', 'heard', 'lost']),
        reason: z.string().optional().describe('why it is lost'),
        since: z.iso.datetime().optional().describe('since when it is so'),
        instances: count.describe('instances of it that are served, the held ones among them'),
        held: z
          .object({
            instances: count,
            until: z.iso
              .datetime()
              .optional()
              .describe('when the last of them goes; absent while the registry is not heard'),
            services: heldServices,
          })
          .optional()
          .describe('served although the registry has stopped naming them: too many at once'),
      }),
    ),
  }),
);

export const acceptedLoss = named(
  'AcceptedLoss',
  z.object({ source, dryRun: z.boolean(), instances: count, services: heldServices }),
);

export const changes = named(
  'Changes',
  z.strictObject({
    services: z
      .array(z.record(z.string(), z.unknown()))
      .default([])
      .describe('registrations, as POST /v1/services takes them, in order'),
    remove: z
      .array(z.string().min(1))
      .default([])
      .describe('then services that go, or instances as claims/10.0.0.7:3000'),
  }),
);

export const planned = named(
  'Plan',
  z.object({
    steps: z.array(
      z.object({
        what: z.enum(['register', 'remove']),
        service: z.string(),
        instance: z.string().optional(),
        version: z.string().optional(),
        change: z.enum(['added', 'replaced', 'unchanged', 'removed', 'absent', 'refused']),
        problems: z.array(problem).describe('why it would be refused, and warnings'),
      }),
    ),
    resources: z
      .array(
        z.object({
          kind: z.string(),
          name: z.string(),
          change: z.enum(['added', 'changed', 'removed']),
          bytes: count,
        }),
      )
      .describe('what every Envoy would be sent'),
    nodes: z.array(z.object({ id: z.string(), resources: count, bytes: count })),
    problems: z.object({ appeared: z.array(problem), mended: z.array(problem) }),
  }),
);

export const auditLine = z.object({
  at: z.iso.datetime(),
  id: z.string().describe('the same on the lines of one write: as it was begun, as it ended'),
  who: z.string(),
  role: z.string(),
  from: z.string().describe('the address of the other end of the connection'),
  what: z.string().describe('method and path'),
  subject: z.record(z.string(), z.string()).optional(),
  before: z.unknown().optional(),
  after: z.unknown().optional(),
  outcome: z.enum(['begun', 'done', 'failed', 'refused']),
  status: z.int().optional(),
  reason: z.string().optional(),
  unwritten: count.optional().describe('refused attempts before it that have no line'),
});

export const auditList = named('AuditList', z.object({ lines: z.array(auditLine) }));

/** A service as the filter service needs it. */
const exposedService = named(
  'ExposedService',
  z.object({
    name: z.string(),
    eras: z.array(era),
    capabilities: anything,
    instructions: z.string().optional(),
    tools: z.array(z.object({ name: z.string(), tool: z.string(), definition: anything })),
    missing: z.string().optional(),
  }),
);

export const exposedList = named(
  'ExposedList',
  z.object({ services: z.array(exposedService), synced: z.boolean() }),
);

export const exposedLine = named(
  'ExposedLine',
  z
    .union([
      z.strictObject({ service: exposedService }),
      z.strictObject({ removed: z.string() }),
      z.strictObject({ synced: z.literal(true) }),
      z.strictObject({}),
    ])
    .describe('one line of the stream'),
);
