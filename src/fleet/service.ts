/**
 * Everything that registries and the probe say of one service → the service,
 * and what is wrong with it. Pure; made from the same inputs it is the same
 * object as before, so everything downstream can remember its work by identity.
 */
import { isDeepStrictEqual } from 'node:util';
import { compare } from 'semver';
import { problem, type Problem } from '../errors.js';
import type {
  Instance,
  KeptRollout,
  Policy,
  PolicyOverride,
  ProbeResult,
  Registration,
  Service,
  SourceName,
} from './fleet.js';
import { leadingVersion } from './leading.js';
import { ownToolProblems } from './tool_names.js';

/** When two sources say different things of one service, the earlier one is believed. */
export const precedence: readonly SourceName[] = ['consul', 'etcd', 'file'];

export interface ServiceInputs {
  /** At least one; in the order of precedence. */
  readonly registrations: readonly Registration[];
  /** The same. */
  readonly overrides: readonly PolicyOverride[];
  readonly probe: ProbeResult | undefined;
  readonly rollout: KeptRollout | undefined;
}

export interface MergedService {
  readonly service: Service;
  readonly inputs: ServiceInputs;
  readonly problems: readonly Problem[];
}

const origins = new WeakMap<Service, MergedService>();

/** `before` with its problems, if it was made of the very same. */
export function unchanged(
  before: Service | undefined,
  inputs: ServiceInputs,
): MergedService | undefined {
  const origin = before && origins.get(before);
  if (!origin) return undefined;
  const same =
    origin.inputs.probe === inputs.probe &&
    origin.inputs.rollout?.document === inputs.rollout?.document &&
    origin.inputs.rollout?.source === inputs.rollout?.source &&
    sameItems(origin.inputs.registrations, inputs.registrations) &&
    sameItems(origin.inputs.overrides, inputs.overrides);
  return same ? origin : undefined;
}

function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}

export function mergeService(name: string, inputs: ServiceInputs): MergedService {
  const problems: Problem[] = [];
  const servedPath = commonPath(inputs.registrations);
  const fitting = inputs.registrations.filter(({ path, id, source }) => {
    if (path === servedPath) return true;
    const message =
      `Instance ${id} is left out: it serves ${path} while ${name} is served on ${servedPath}. ` +
      'Register it under another name, or give all instances the same path.';
    problems.push(
      problem('registration_conflict', { service: name, instance: id, source }, message),
    );
    return false;
  });
  const leader = leadingRegistration(fitting, inputs.rollout);
  const { era, health, traffic, expose, allow } = leader;
  const policy = inputs.overrides.reduceRight<Policy>(
    (base, override) => ({ ...base, ...override }),
    { era, health, traffic, expose, ...(allow && { allow }) },
  );
  const service: Service = {
    ...policy,
    name,
    path: servedPath,
    instances: fitting.map(toInstance).sort((a, b) => (a.id < b.id ? -1 : 1)),
    probe: inputs.probe,
    rollout: inputs.rollout,
  };
  problems.push(...differingPolicies(leader, fitting, inputs.overrides));
  const { probe } = inputs;
  if (probe?.failure)
    problems.push(problem(probe.failure.code, { service: name }, probe.failure.message));
  for (const id of probe?.silent ?? []) problems.push(silentInstance(name, id));
  problems.push(...ownToolProblems(service));
  const merged = { service, inputs, problems };
  origins.set(service, merged);
  return merged;
}

/**
 * The path that most instances serve, of several the one of the oldest version: a
 * newcomer on another path is left out rather than everybody else.
 */
function commonPath(registrations: readonly Registration[]): string {
  const groups = new Map<string, Registration[]>();
  for (const registration of registrations)
    groups.set(registration.path, [...(groups.get(registration.path) ?? []), registration]);
  const oldest = (group: readonly Registration[]) =>
    group.map(({ version }) => version).reduce((a, b) => (compare(a, b) <= 0 ? a : b));
  const [first] = [...groups.entries()].sort(
    ([pathA, a], [pathB, b]) =>
      b.length - a.length || compare(oldest(a), oldest(b)) || (pathA < pathB ? -1 : 1),
  );
  if (!first) throw new Error('a service has at least one registration');
  return first[0];
}

type Ranked = Pick<Registration, 'version' | 'source' | 'id'>;

/** Whose policy the service takes: the newest version that leads, then precedence, then id. */
function byLead(a: Ranked, b: Ranked): number {
  return (
    compare(b.version, a.version) ||
    precedence.indexOf(a.source) - precedence.indexOf(b.source) ||
    (a.id < b.id ? -1 : 1)
  );
}

function leadingRegistration(
  registrations: readonly Registration[],
  rollout: KeptRollout | undefined,
): Registration {
  const leading = leadingVersion(rollout, registrations);
  const [leader] = registrations
    .filter(({ version }) => version === (leading ?? version))
    .sort(byLead);
  if (!leader) throw new Error('a service has at least one registration');
  return leader;
}

/** Whether the service would take its policy from `newcomer`. */
export function leads(newcomer: Registration, { instances, rollout }: Service): boolean {
  const leading = leadingVersion(rollout, instances);
  const rivals = instances.filter(({ version }) => version === (leading ?? version));
  if (newcomer.version !== (leading ?? newcomer.version)) return false;
  return rivals.every((other) => other.id === newcomer.id || byLead(newcomer, other) < 0);
}

const policyBlocks = ['era', 'health', 'traffic', 'expose', 'allow'] as const;

/** What instances ask for that is not what the service does; a policy document settles it. */
function differingPolicies(
  leader: Registration,
  registrations: readonly Registration[],
  overrides: readonly PolicyOverride[],
): Problem[] {
  const open = policyBlocks.filter((block) => overrides.every((each) => each[block] === undefined));
  const differs = (each: Registration) =>
    open.filter((block) => !isDeepStrictEqual(each[block], leader[block]));
  const others = registrations.filter((each) => differs(each).length > 0);
  const [first] = others;
  if (first === undefined) return [];
  const blocks = [...new Set(others.flatMap(differs))].join(', ');
  const message =
    `${others.length} of ${registrations.length} instances of ${leader.name} ask for another ` +
    `${blocks} than ${leader.id} of version ${leader.version}, which counts for all. Give all ` +
    'the same, or keep a policy document for the service.';
  const { name: service, id: instance, source } = first;
  return [problem('registration_differs', { service, instance, source }, message)];
}

const instances = new WeakMap<Registration, Instance>();

function toInstance(registration: Registration): Instance {
  const known = instances.get(registration);
  if (known) return known;
  const { id, source, version, host, port, tags, metadata } = registration;
  const { zone, weight, priority, checkedBy, passing, tls, dependsOn } = registration;
  const instance: Instance = {
    ...{ id, source, version, host, port, tags, metadata },
    ...{ zone, weight, priority, checkedBy, passing, tls, dependsOn },
    ...(registration.unchecked && { unchecked: true }),
  };
  instances.set(registration, instance);
  return instance;
}

const silentInstance = (service: string, instance: string): Problem =>
  problem(
    'server_unreachable',
    { service, instance },
    `Instance ${instance} of ${service} does not answer. The others serve meanwhile: ` +
      'mend it, or take its registration out.',
  );
