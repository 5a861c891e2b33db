/**
 * The only validation of input: whatever a registry holds, or a person sends,
 * becomes a complete registration here or all of its problems at once.
 */
import { failed, problem, succeeded } from '../errors.js';
import type { Outcome, Problem, ProblemCode, Subject } from '../errors.js';
import type { PolicyOverride, Registration, SourceName } from '../fleet/fleet.js';
import type { z } from 'zod';
import { hostAndPort, readAddress, type Address } from './address.js';
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
  /** The registry's own name of the instance; `host:port` when it has none. */
  readonly id?: string;
  /** `envoy` unless told. */
  readonly checkedBy?: Registration['checkedBy'];
  readonly passing?: boolean;
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
  if (parsed.success && address !== undefined) {
    const value = registrationOf(parsed.data, address, context);
    return succeeded({
      value,
      warnings: unusedFields(parsed.data).map((complaint) =>
        toProblem('registration_field_unused', complaint),
      ),
    });
  }
  const complaints = explain(parsed.error?.issues ?? [], document, registrationFields);
  if (located && 'complaint' in located && url !== '')
    complaints.push({ path: 'url', message: `must ${located.complaint}` });
  return failed(...complaints.map((complaint) => toProblem('registration_invalid', complaint)));
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
  const { era, health, traffic, expose } = parsed.data;
  const value: PolicyOverride = {
    ...(era && { era }),
    ...(health && { health: healthOf(health) }),
    ...(traffic && { traffic: trafficOf(traffic) }),
    ...(expose && { expose }),
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
  { id, source, checkedBy = 'envoy', passing = true }: RegistrationContext,
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
    health: healthOf(document.health),
    traffic: trafficOf(document.traffic),
    expose: document.expose,
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

function unusedFields({ tls }: Document): Complaint[] {
  const unused = tls.spiffe === undefined ? [] : ['tls.spiffe'];
  return unused.map((path) => ({ path, message: 'is not acted on by this version yet' }));
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
