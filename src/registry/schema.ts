/**
 * What a registration and a policy document may say, field by field. The same
 * schemas validate input and describe it in the admin API's OpenAPI document.
 *
 * Every `error` here ends the sentence "… must be"; `explain` completes it.
 */
import { parse as parseVersion } from 'semver';
import { z } from 'zod';
import { defaultPolicy } from '../fleet/defaults.js';
import { isServiceName, serviceNameShape } from '../service_name.js';
import { parseDependency } from './dependency.js';
import { formatDuration, parseDuration } from './duration.js';

const hour = 3_600_000;
const labelExpected = 'a DNS label: lowercase letters, digits and -, at most 63 characters';
const versionExpected = 'a semantic version such as 2.1.0, as text';

const dependencyExpected = 'a service with a version range such as policy@^2';

/** Half of a character cannot be written to Envoy, which refuses all it comes with. */
const halfCharacter = /\p{Surrogate}/u;

function anyText(expected: string) {
  return z.string({ error: expected }).refine((written) => !halfCharacter.test(written), {
    error: `${expected}, in well-formed Unicode`,
  });
}

function text(expected: string) {
  return anyText(expected).min(1, { error: expected });
}

function wholeNumber(least: number, most: number) {
  const error = `a whole number from ${least} to ${most}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
}

function choice<const T extends readonly [string, ...string[]]>(options: T) {
  return z.enum(options, { error: `one of ${options.join(', ')}` });
}

function mapping<T extends z.core.$ZodShape>(shape: T) {
  return z.strictObject(shape, { error: 'a mapping of fields' });
}

function flag() {
  return z.boolean({ error: 'true or false' });
}

function duration(leastMs: number, mostMs: number, defaultMs: number) {
  const range = `(${formatDuration(leastMs)} to ${formatDuration(mostMs)})`;
  const error = `a duration such as 500ms, 30s or 2m ${range}`;
  return z
    .string({ error })
    .transform((written, context) => {
      const milliseconds = parseDuration(written);
      if (milliseconds !== undefined && milliseconds >= leastMs && milliseconds <= mostMs)
        return milliseconds;
      context.addIssue({ code: 'custom', message: error });
      return z.NEVER;
    })
    .prefault(formatDuration(defaultMs));
}

const { health, traffic, expose, era } = defaultPolicy;

const healthSchema = mapping({
  kind: choice(['mcp', 'http', 'tcp', 'none']).default(health.kind).describe('what Envoy asks'),
  interval: duration(100, hour, health.intervalMs),
  timeout: duration(10, hour, health.timeoutMs),
  unhealthyAfter: wholeNumber(1, 100).default(health.unhealthyAfter),
  healthyAfter: wholeNumber(1, 100).default(health.healthyAfter),
}).describe('How Envoy checks an instance, where the registry has no checks of its own');

const outlierSchema = mapping({
  consecutiveErrors: wholeNumber(1, 1_000).default(traffic.outlier.consecutiveErrors),
  interval: duration(100, hour, traffic.outlier.intervalMs),
  ejection: duration(100, 24 * hour, traffic.outlier.ejectionMs),
}).describe('When an instance that fails requests is left out, and for how long');

const breakerSchema = mapping({
  connections: wholeNumber(1, 1_000_000).default(traffic.breaker.connections),
  pending: wholeNumber(1, 1_000_000).default(traffic.breaker.pending),
  requests: wholeNumber(1, 1_000_000).default(traffic.breaker.requests),
}).describe('The most that each Envoy has open towards the service at once');

const trafficSchema = mapping({
  timeout: duration(1, 24 * hour, traffic.timeoutMs).describe('to the first byte of the answer'),
  retries: wholeNumber(0, 10).default(traffic.retries).describe('where a repeat is safe'),
  balance: choice(['least_request', 'round_robin', 'random']).default(traffic.balance),
  outlier: outlierSchema.prefault({}),
  breaker: breakerSchema.prefault({}),
});

const exposeSchema = mapping({
  prefix: flag().default(expose.prefix).describe('name tools service__tool'),
  tools: z
    .array(text('a pattern of tool names such as get-* or !get-env'), {
      error: 'a list of patterns of tool names',
    })
    .default([...expose.tools])
    .describe('patterns of the tools that agents see; ! hides, and the last that matches wins'),
});

const spiffeExpected = 'a SPIFFE id such as spiffe://mcpx/claims';
const hostNameExpected = 'a host name such as claims.example.org';

const tlsSchema = mapping({
  mode: choice(['off', 'tls', 'mutual'])
    .default('off')
    .describe('mutual: both sides show certificates; with https:// it is tls at least'),
  spiffe: text(spiffeExpected)
    .regex(/^spiffe:\/\/[a-z0-9._-]+(\/[A-Za-z0-9._-]+)+$/, { error: spiffeExpected })
    .optional()
    .describe("who answers there, where it is not the service's own sidecar"),
  sni: text(hostNameExpected)
    .regex(/^(?!.*\.\d+$)[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, { error: hostNameExpected })
    .optional()
    .describe('the name it is asked by; with tls its certificate must bear it'),
}).describe('How Envoy reaches the instance; never in clear where this says otherwise');

const workloadExpected = 'a list of services, or edge, such as edge and quotes';

const allowSchema = z
  .array(anyText(workloadExpected).refine(isServiceName, { error: workloadExpected }), {
    error: workloadExpected,
  })
  .describe('whose calls its sidecars take; the edge and whoever depends on it, unless given');

const eraSchema = choice(['auto', 'modern', 'legacy']);

export const registrationSchema = mapping({
  name: z
    .string({ error: labelExpected })
    .regex(serviceNameShape, { error: labelExpected })
    .describe('The service; the prefix of its tools'),
  version: z
    .string({ error: versionExpected })
    .refine((version) => /^\d\S*$/.test(version) && parseVersion(version) !== null, {
      error: versionExpected,
    })
    .describe('Semantic version of the server'),
  url: text('an http address with host and path such as http://10.0.0.7:3000/mcp').describe(
    'Where the instance speaks MCP',
  ),
  era: eraSchema.default(era).describe('The protocol era; auto asks the server'),
  tags: z.array(text('text'), { error: 'a list of words' }).default([]),
  metadata: z
    .record(anyText('a name'), anyText('text (in YAML: in quotes)'), {
      error: 'a mapping of names to text',
    })
    .default({}),
  zone: anyText('text').default(''),
  weight: wholeNumber(1, 1_000)
    .default(100)
    .describe('Relative to the other instances of the version'),
  priority: wholeNumber(0, 127).default(0).describe('0 is tried first'),
  health: healthSchema.prefault({}),
  traffic: trafficSchema.prefault({}),
  tls: tlsSchema.prefault({}),
  expose: exposeSchema.prefault({}),
  allow: allowSchema.optional(),
  dependsOn: z
    .array(
      text(dependencyExpected).refine(
        (written) => isServiceName(parseDependency(written)?.service ?? ''),
        { error: dependencyExpected },
      ),
      { error: 'a list of services such as policy@^2' },
    )
    .default([])
    .describe('Services it cannot do without, each with the versions that will do'),
});

export const policySchema = mapping({
  era: eraSchema.optional(),
  health: healthSchema.optional(),
  traffic: trafficSchema.optional(),
  expose: exposeSchema.optional(),
  allow: allowSchema.optional(),
});
