/**
 * `mcpx.yaml` and `MCPX_…` variables → one frozen Config. All problems are
 * found at once; an unknown key is answered with the nearest right one.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { basename, join, parse as parsePath, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { defaultClearTargets, defaultTargets } from './allowed_targets.js';
import { contradictions } from './config_checks.js';
import { identitySchema, pemFile } from './config_identity.js';
import { isLoopback } from './loopback.js';
import { failed, problem, reasonOf, succeeded, type Outcome, type Problem } from './errors.js';

const port = z.int().min(1).max(65_535);
const host = z.string().min(1);

const isRange = (text: string): boolean =>
  [z.cidrv4(), z.cidrv6()].some((range) => range.safeParse(text).success);
const exception = z
  .templateLiteral(['!', z.string()])
  .refine((text) => isRange(text.slice(1)), 'must be a range such as !169.254.0.0/16');

const registrySchema = z.strictObject({
  file: z.string().min(1).optional().describe('services.yaml: the embedded registry'),
  consul: z
    .strictObject({
      address: z.url({ protocol: /^https?$/ }).default('http://127.0.0.1:8500'),
      token: z.string().default(''),
      datacenter: z.string().default(''),
    })
    .optional(),
  etcd: z
    .strictObject({
      endpoints: z
        .array(z.url({ protocol: /^https?$/ }))
        .min(1)
        .default(['http://127.0.0.1:2379']),
      prefix: z.string().startsWith('/').default('/mcpx'),
    })
    .optional(),
  write: z.enum(['file', 'consul', 'etcd']).optional().describe('where admin writes go'),
  allowedTargets: z
    .array(z.union([z.cidrv4(), z.cidrv6(), exception]))
    .optional()
    .describe('addresses a registration may point at, `!` before those it may not'),
  clearTargets: z
    .array(z.union([z.cidrv4(), z.cidrv6()]))
    .default([...defaultClearTargets])
    .describe('with identity on: addresses at which a server may be reached without TLS'),
  suddenLoss: z
    .strictObject({
      share: z
        .string()
        .regex(/^(\d{1,2}|100)%$/, 'must be a percentage such as 50%')
        .default('50%')
        .describe('a loss of more of the instances at once is held back; 100%: of all'),
      least: z.int().min(1).default(5).describe('a smaller loss is not, save after an outage'),
      hold: z
        .string()
        .regex(/^\d+(ms|s|m|h)$/, 'must be a duration such as 30s or 5m; 0s believes at once')
        .default('30s')
        .describe('how long the registry must go on saying so'),
    })
    .prefault({}),
});

const label = z.string().regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'must be a name such as staging');

const schema = z.strictObject({
  environment: label
    .optional()
    .describe('a set of services of its own, kept apart in every registry and in the data folder'),
  environments: z
    .record(label, z.strictObject({ admin: z.url({ protocol: /^https?$/ }) }))
    .default({})
    .describe('for commands with --env: the admin API of each'),
  data: z.string().min(1).default('.mcpx').describe('folder for what is ours: keys, last good'),
  registry: registrySchema.prefault({}),
  identity: identitySchema.prefault({}),
  gateway: z
    .strictObject({
      host: host.default('127.0.0.1'),
      port: port.default(8080),
      allowedHosts: z.array(host).default(['localhost', '127.0.0.1']),
      allowedOrigins: z.array(z.string()).default([]),
      tls: z
        .strictObject({
          certificate: pemFile,
          key: pemFile,
          clients: pemFile.describe('who signs agents, where they must show a certificate'),
        })
        .prefault({}),
    })
    .prefault({}),
  admin: z
    .strictObject({
      host: host.default('127.0.0.1'),
      port: port.default(8081),
      tokens: z
        .array(
          z.strictObject({
            name: z.string().min(1).max(64),
            role: z.enum(['viewer', 'operator', 'admin']),
            sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be what `mcpx token` printed'),
          }),
        )
        .default([])
        .describe('who may do what; made by `mcpx token`'),
    })
    .prefault({}),
  xds: z
    .strictObject({
      host: host.default('127.0.0.1'),
      port: port.default(18_000),
      limits: z
        .strictObject({
          streamsPerNode: z.int().min(1).default(32).describe('Envoys that say one node.id'),
          streamsPerAddress: z.int().min(1).default(4_096),
          connectionsPerAddress: z.int().min(1).default(4_096),
          namesPerSubscription: z.int().min(1).default(20_000),
          nameBytesPerAddress: z.int().min(1).default(1_073_741_824),
          admittedPerSecond: z.int().min(1).default(1_000).describe('new streams, beyond a burst'),
        })
        .prefault({}),
    })
    .prefault({}),
  filter: z
    .strictObject({
      host: host.default('127.0.0.1'),
      port: port.default(18_001),
      bridgePort: port.default(18_002),
      controlPlanes: z
        .array(z.url({ protocol: /^https?$/ }))
        .default([])
        .describe('admin APIs of the replicas to follow, in turn; empty: the one at admin'),
      token: z
        .string()
        .default('')
        .describe('shown to them; empty: made from the key in the data folder'),
      identity: z
        .string()
        .default('')
        .describe('folder of `mcpx join`: the certificate shown to them, and whom to believe'),
    })
    .prefault({}),
  envoy: z
    .strictObject({
      binary: z.string().default(''),
      concurrency: z.int().min(0).default(0).describe('worker threads; 0: one a core'),
      adminPort: port.default(9901),
    })
    .prefault({}),
  log: z
    .strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info') })
    .prefault({}),
});

type Settings = z.infer<typeof schema>;

export interface Config extends Omit<Settings, 'registry'> {
  readonly registry: Omit<Settings['registry'], 'allowedTargets'> & {
    readonly allowedTargets: readonly string[];
  };
  /** Absolute. */
  readonly data: string;
  /** Unix socket through which the filter service calls servers back through Envoy. */
  readonly bridgeSocket: string;
}

export interface ConfigInput {
  /** Path of `mcpx.yaml`; when undefined, `mcpx.yaml` of the working folder if it exists. */
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Flags as a nested object; they win over variables, which win over the file. */
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly cwd: string;
}

/** Problems: `config_invalid`, one for each thing wrong. */
export function readConfig(input: ConfigInput): Outcome<Config> {
  const file = readConfigFile(input);
  const variables = fromEnvironment(input.env);
  if (!file.ok) return variables.ok ? file : failed(...file.problems, ...variables.problems);
  if (!variables.ok) return variables;
  const merged = deepMerge(deepMerge(file.value, variables.value), input.flags ?? {});
  const parsed = schema.safeParse(merged, { reportInput: true });
  if (!parsed.success) return failed(...parsed.error.issues.flatMap(issueToProblems));
  const config = completed(parsed.data, input.cwd);
  const complaints = contradictions(config);
  return complaints.length === 0 ? succeeded(config) : failed(...complaints);
}

function readConfigFile({ file, cwd }: ConfigInput): Outcome<Record<string, unknown>> {
  const path = resolve(cwd, file ?? 'mcpx.yaml');
  if (file === undefined && !existsSync(path)) return succeeded({});
  try {
    const content: unknown = parse(readFileSync(path, 'utf8')) ?? {};
    if (typeof content === 'object' && !Array.isArray(content))
      return succeeded(content as Record<string, unknown>);
    return failed(problem('config_invalid', {}, `${path} must be a mapping of settings.`));
  } catch (error) {
    return failed(problem('config_invalid', {}, `${path} cannot be read: ${reasonOf(error)}`));
  }
}

function completed(settings: Settings, cwd: string): Config {
  const { environment = '' } = settings;
  const folder = resolve(cwd, settings.data);
  const data = basename(folder) === environment ? folder : join(folder, environment);
  const { file, consul, etcd } = settings.registry;
  const embedded = file ?? (consul || etcd ? undefined : join(data, 'services.yaml'));
  const registry = {
    ...settings.registry,
    allowedTargets:
      settings.registry.allowedTargets ?? defaultTargets(!isLoopback(settings.xds.host)),
    ...(etcd && { etcd: { ...etcd, prefix: prefixIn(environment, etcd.prefix) } }),
    ...(embedded === undefined ? {} : { file: resolve(cwd, fileIn(environment, embedded)) }),
  };
  return frozen({ ...settings, registry, data, bridgeSocket: bridgeSocketIn(data) });
}

// What has the environment's name already keeps it: processes hand their configuration on.

/** `/mcpx` → `/mcpx-staging`. */
function prefixIn(environment: string, prefix: string): string {
  const suffix = `-${environment}`;
  if (environment === '' || prefix.endsWith(suffix)) return prefix;
  return prefix.replace(/\/*$/, suffix);
}

/** `services.yaml` → `services.staging.yaml`. */
function fileIn(environment: string, file: string): string {
  const { dir, name, ext } = parsePath(file);
  if (environment === '' || name.endsWith(`.${environment}`)) return file;
  return join(dir, `${name}.${environment}${ext}`);
}

function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(frozen);
  return Object.freeze(value);
}

/** A socket's path holds at most 107 bytes, so a deep data folder gets a short one elsewhere. */
function bridgeSocketIn(data: string): string {
  const path = join(data, 'bridge.sock');
  if (Buffer.byteLength(path) <= 100) return path;
  const digest = createHash('sha256').update(data).digest('hex').slice(0, 16);
  return join(tmpdir(), `mcpx-${digest}.sock`);
}

/** `MCPX_GATEWAY_PORT=80` → `{gateway: {port: 80}}`; the schema's keys say where words split. */
function fromEnvironment(env: ConfigInput['env']): Outcome<Record<string, unknown>> {
  let settings: Record<string, unknown> = {};
  const problems: Problem[] = [...unknownVariables(env)];
  for (const { path, type } of settingsOf(schema)) {
    const variable = variableFor(path);
    const text = env[variable];
    // Set but empty is the same as not set; "" in quotes is the empty text.
    if (text === undefined || text.trim() === '') continue;
    try {
      const value = isText(type) && !/^\s*["']/.test(text) ? text : (parse(text) as unknown);
      const nested = path.reduceRight((inner, key) => ({ [key]: inner }), value);
      settings = deepMerge(settings, nested as Record<string, unknown>);
    } catch (error) {
      const [reason = ''] = reasonOf(error).split('\n');
      const message = `${variable} is no YAML: ${reason.replace(/[.:]$/, '')}. Put text in quotes.`;
      problems.push(problem('config_invalid', { path: path.join('.') }, message));
    }
  }
  return problems.length === 0 ? succeeded(settings) : failed(...problems);
}

/** What the command line and the tests read beside the settings. */
const otherVariables: readonly string[] = [
  ...['MCPX_ADMIN_URL', 'MCPX_ADMIN_TOKEN', 'MCPX_ADMIN_ROOTS'],
  ...['MCPX_ADMIN_CERTIFICATE', 'MCPX_ADMIN_KEY', 'MCPX_RENEW_GOLDENS'],
];

function unknownVariables(env: ConfigInput['env']): Problem[] {
  const known = [...settingsOf(schema).map(({ path }) => variableFor(path)), ...otherVariables];
  return Object.keys(env)
    .filter((name) => name.startsWith('MCPX_') && !known.includes(name))
    .map((name) => {
      const near = nearest(name, known);
      const hint = near === undefined ? '' : ` Did you mean ${near}?`;
      return problem('config_invalid', { path: name }, `Unknown variable ${name}.${hint}`);
    });
}

/** Text is taken as it is: a token may look like a number, or begin with what YAML reserves. */
function isText(type: z.ZodType): boolean {
  return type instanceof z.ZodString || type instanceof z.ZodURL || type instanceof z.ZodEnum;
}

/** `['filter', 'bridgePort']` → `MCPX_FILTER_BRIDGE_PORT`. */
export function variableFor(path: readonly string[]): string {
  const words = path.map((key) => key.replace(/([A-Z])/g, '_$1').toUpperCase());
  return `MCPX_${words.join('_')}`;
}

interface Setting {
  readonly path: readonly string[];
  readonly type: z.ZodType;
}

function settingsOf(type: z.ZodType, path: readonly string[] = []): Setting[] {
  const bare = unwrapped(type);
  if (!(bare instanceof z.ZodObject)) return [{ path, type: bare }];
  const shape = bare.shape as Record<string, z.ZodType>;
  return Object.entries(shape).flatMap(([key, inner]) => settingsOf(inner, [...path, key]));
}

function unwrapped(type: z.ZodType): z.ZodType {
  let bare: z.ZodType = type;
  while (
    bare instanceof z.ZodDefault ||
    bare instanceof z.ZodOptional ||
    bare instanceof z.ZodPrefault
  )
    bare = bare.unwrap() as z.ZodType;
  return bare;
}

function issueToProblems(issue: z.core.$ZodIssue): Problem[] {
  const path = issue.path.join('.');
  // As YAML reads a key with nothing behind it, or with all behind it commented out.
  if (issue.input === null) return [problem('config_invalid', { path }, emptyMessage(path, issue))];
  if (issue.code !== 'unrecognized_keys')
    return [problem('config_invalid', { path }, `${path}: ${issue.message}.`)];
  const siblings = settingsOf(schema)
    .filter((setting) => issue.path.every((key, index) => setting.path[index] === key))
    .flatMap((setting) => setting.path[issue.path.length] ?? []);
  return issue.keys.map((key) => {
    const at = [...issue.path.map(String), key];
    const near = nearest(key, siblings);
    const hint = near === undefined ? '' : ` Did you mean ${near}?`;
    return problem('config_invalid', { path: at.join('.') }, `Unknown key ${at.join('.')}.${hint}`);
  });
}

function emptyMessage(path: string, issue: z.core.$ZodIssue): string {
  const isSection = issue.code === 'invalid_type' && issue.expected === 'object';
  const value = isSection ? 'write {} there for its defaults' : 'give it a value';
  return `${path} is empty: ${value}, or take the key out.`;
}

/** The candidate within two edits of `word`, or a third of its length, if any. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const ranked = [...new Set(candidates)]
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best && best.distance <= Math.max(2, word.length / 3) ? best.candidate : undefined;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substituted, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}

function deepMerge(
  base: Record<string, unknown>,
  over: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const merged = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const existing = merged[key];
    merged[key] = isMapping(existing) && isMapping(value) ? deepMerge(existing, value) : value;
  }
  return merged;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
