/**
 * The only validation of input: whatever a registry holds, or a person sends,
 * becomes a complete registration here or all of its problems at once.
 */
import { failed, problem, succeeded } from '../errors.js';
import type { Outcome, Problem, ProblemCode, Subject } from '../errors.js';
import type { PolicyOverride, Registration, SourceName, Tls } from '../fleet/fleet.js';
import { isOwnWorkload } from '../certificates/workload.js';
import type { z } from 'zod';
import type { Identity } from '../identity_on.js';
import { type Address, hostAndPort, isWithin, readAddress } from './address.js';
import { parseDependency } from './dependency.js';
import { explain, fieldPathsOf, type Complaint, type FieldNames } from './explain.js';
import { policySchema, registrationSchema } from './schema.js';

/** What a document became, and what of it is not acted on. */
export interface Decoded<T> {
  readonly value: T;
  readonly warnings: readonly Problem[];
}

export interface RegistrationContext {
  readonly source: SourceName;
  readonly allowedTargets: readonly string[];
  /** Whether workloads have certificates; without, nothing may ask for TLS. */
  readonly identity?: Identity | undefined;
  /** The registry's own name of the instance; `host:port` when it has none. */
  readonly id?: string;
  /** `envoy` unless told. */
  readonly checkedBy?: Registration['checkedBy'];
  readonly passing?: boolean;
  /** Whether the registry that decides has no check of it. */
  readonly unchecked?: boolean;
  /** Where the document lies in a larger one, as `services[2]`. */
  readonly at?: string;
  /** How fields are called in the registry, when the document was put together from them. */
  readonly fieldNames?: FieldNames;
}

interface PolicyContext {
  readonly source: SourceName;
  readonly service: string;
}

const registrationFields = fieldPathsOf(registrationSchema);
const policyFields = fieldPathsOf(policySchema);

export function decodeRegistration(
  document: unknown,
  context: RegistrationContext,
): Outcome<Decoded<Registration>> {
  const parsed = registrationSchema.safeParse(document);
  const url = fieldText(document, 'url');
  const located = url === undefined ? undefined : readAddress(url, context.allowedTargets);
  const address = located && 'address' in located ? located.address : undefined;
  const toProblem = problemsOf(document, context, address);
  const unanswered = parsed.success ? unsecured(parsed.data, address, context) : [];
  if (parsed.success && address !== undefined && unanswered.length === 0) {
    const value = registrationOf(parsed.data, address, context);
    const warnings = unusedFields(value.tls).map((complaint) =>
      toProblem('registration_field_unused', complaint),
    );
    return succeeded({ value, warnings });
  }
  const complaints = explain(parsed.error?.issues ?? [], document, registrationFields);
  complaints.push(...unanswered);
  const invalid = complaints.map((complaint) => toProblem('registration_invalid', complaint));
  if (!located || !('complaint' in located) || url === '') return failed(...invalid);
  const code = located.refused ? 'target_refused' : 'registration_invalid';
  return failed(toProblem(code, { path: 'url', message: `must ${located.complaint}` }), ...invalid);
}

/** The policy all instances of a service share; a block that is given is complete. */
export function decodePolicy(
  document: unknown,
  { source, service }: PolicyContext,
): Outcome<Decoded<PolicyOverride>> {
  const parsed = policySchema.safeParse(document);
  if (!parsed.success)
    return failed(
      ...explain(parsed.error.issues, document, policyFields).map(({ path, message }) =>
        problem(
          'registration_invalid',
          { source, service, ...(path === '' ? {} : { path }) },
          `${path === '' ? 'The policy' : path} ${message}.`,
        ),
      ),
    );
  const { era, health, traffic, expose, allow } = parsed.data;
  const value: PolicyOverride = {
    ...(era && { era }),
    ...(health && { health: healthOf(health) }),
    ...(traffic && { traffic: trafficOf(traffic) }),
    ...(expose && { expose }),
    ...(allow && { allow }),
  };
  return succeeded({ value, warnings: [] });
}

/** The name and `host:port` that an entry means, even where the rest of it is wrong. */
export function identify(document: unknown): {
  readonly name: string | undefined;
  readonly id: string | undefined;
} {
  const url = fieldText(document, 'url');
  const located = url === undefined ? undefined : readAddress(url, ['0.0.0.0/0', '::/0']);
  const id = located && 'address' in located ? hostAndPort(located.address) : undefined;
  return { name: fieldText(document, 'name'), id };
}

type Document = z.output<typeof registrationSchema>;

function registrationOf(
  document: Document,
  address: Address,
  { id, source, checkedBy = 'envoy', passing = true, unchecked }: RegistrationContext,
): Registration {
  return {
    id: id ?? hostAndPort(address),
    source,
    name: document.name,
    version: document.version,
    ...address,
    era: document.era,
    tags: document.tags,
    metadata: document.metadata,
    zone: document.zone,
    weight: document.weight,
    priority: document.priority,
    checkedBy,
    passing: checkedBy === 'envoy' || passing,
    ...(unchecked && { unchecked: true }),
    health: healthOf(document.health),
    traffic: trafficOf(document.traffic),
    expose: document.expose,
    ...(document.allow && { allow: document.allow }),
    tls: tlsOf(document),
    dependsOn: document.dependsOn.flatMap((written) => parseDependency(written) ?? []),
  };
}

function healthOf({ interval, timeout, ...rest }: Document['health']): Registration['health'] {
  return { ...rest, intervalMs: interval, timeoutMs: timeout };
}

function trafficOf({ timeout, outlier, ...rest }: Document['traffic']): Registration['traffic'] {
  const { consecutiveErrors, interval, ejection } = outlier;
  return {
    ...rest,
    timeoutMs: timeout,
    outlier: { consecutiveErrors, intervalMs: interval, ejectionMs: ejection },
  };
}

const isHttps = (url: string): boolean => /^https:/i.test(url);

function tlsOf({ url, tls: { mode, spiffe, sni } }: Document): Tls {
  return {
    mode: mode === 'off' && isHttps(url) ? 'tls' : mode,
    ...(spiffe !== undefined && { spiffe }),
    ...(sni !== undefined && { sni }),
  };
}

/** What takes certificates where nobody has one, and what goes without where everybody has. */
function unsecured(
  document: Document,
  address: Address | undefined,
  { identity = false }: RegistrationContext,
): Complaint[] {
  if (identity) return [...takenName(document), ...inClear(document, address, identity)];
  const { url } = document;
  const path = document.tls.mode !== 'off' ? 'tls.mode' : isHttps(url) ? 'url' : undefined;
  if (path === undefined) return [];
  const wanted = path === 'url' ? 'begin with http://' : 'be off';
  const message =
    `must ${wanted} here: without certificates (identity.mode in mcpx.yaml) it cannot be reached ` +
    'by TLS, and is not sent in clear';
  return [{ path, message }];
}

function takenName({ name }: Document): Complaint[] {
  if (!isOwnWorkload(name)) return [];
  const message =
    `must not be ${name}: a part of MCPX is called so, and with its certificate this service ` +
    'would be taken for it';
  return [{ path: 'name', message }];
}

function inClear(
  document: Document,
  address: Address | undefined,
  { clearTargets }: Exclude<Identity, false>,
): Complaint[] {
  if (!address || tlsOf(document).mode !== 'off' || isWithin(address, clearTargets)) return [];
  const message =
    'must be mutual or tls here: its calls would leave the machine in clear. Register its ' +
    "sidecar's address, or let that be: registry.clearTargets in mcpx.yaml";
  return [{ path: 'tls.mode', message }];
}

/** What is not looked at in this mode. */
function unusedFields({ mode, spiffe, sni }: Tls): Complaint[] {
  const message = `is not acted on with tls.mode ${mode}`;
  return [
    ...(spiffe !== undefined && mode !== 'mutual' ? [{ path: 'tls.spiffe', message }] : []),
    ...(sni !== undefined && mode === 'off' ? [{ path: 'tls.sni', message }] : []),
  ];
}

function problemsOf(
  document: unknown,
  { source, id, at, fieldNames }: RegistrationContext,
  address: Address | undefined,
): (code: ProblemCode, complaint: Complaint) => Problem {
  const service = fieldText(document, 'name');
  const instance = id ?? (address && hostAndPort(address));
  const about: Subject = {
    source,
    ...(service === undefined ? {} : { service }),
    ...(instance === undefined ? {} : { instance }),
  };
  return (code, complaint) => {
    const field = fieldNames?.get(complaint.path) ?? complaint.path;
    const path = [at ?? '', field].filter((part) => part !== '').join('.');
    const subject = path === '' ? about : { ...about, path };
    return problem(code, subject, `${field || 'The registration'} ${complaint.message}.`);
  };
}

function fieldText(document: unknown, field: string): string | undefined {
  if (typeof document !== 'object' || document === null) return undefined;
  const value = (document as Readonly<Record<string, unknown>>)[field];
  return typeof value === 'string' ? value : undefined;
}
