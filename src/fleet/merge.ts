/**
 * Reports of every registry and of the probe → one fleet, and what is wrong.
 * Pure. A service of which nothing changed is the same object as before, so
 * everything downstream can remember its work by identity.
 */
import { isDeepStrictEqual } from 'node:util';
import { compare } from 'semver';
import { problem, type Problem } from '../errors.js';
import { exposedToolName, isExposed, toolNameMax, toolOwners } from './exposed.js';
import type {
  Fleet,
  Instance,
  Policy,
  PolicyOverride,
  ProbeReport,
  ProbeResult,
  Registration,
  Service,
  SourceName,
} from './fleet.js';

/** When two sources say different things of one service, the earlier one is believed. */
const precedence: readonly SourceName[] = ['consul', 'etcd', 'file'];

/** The part of a registry's report that makes up the fleet. */
export interface Registered {
  readonly source: SourceName;
  readonly registrations: readonly Registration[];
  readonly policies: ReadonlyMap<string, PolicyOverride>;
}

export interface Merged {
  readonly fleet: Fleet;
  readonly problems: readonly Problem[];
}

export function merge(
  reports: readonly Registered[],
  probes: ProbeReport,
  previous: Fleet,
): Merged {
  const ordered = [...reports].sort(bySource);
  const before = new Map(previous.services.map((service) => [service.name, service]));
  const problems: Problem[] = [];
  const services: Service[] = [];
  for (const [name, registrations] of groupByName(ordered)) {
    const inputs: ServiceInputs = {
      registrations,
      overrides: ordered.flatMap(({ policies }) => policies.get(name) ?? []),
      probe: probes.get(name),
    };
    const merged = unchanged(before.get(name), inputs) ?? mergeService(name, inputs);
    services.push(merged.service);
    problems.push(...merged.problems);
  }
  services.sort((a, b) => (a.name < b.name ? -1 : 1));
  const same =
    services.length === previous.services.length &&
    services.every((service, index) => service === previous.services[index]);
  return {
    fleet: same ? previous : { services },
    problems: [...problems, ...sharedAddresses(services), ...exposedNameProblems(services)],
  };
}

interface ServiceInputs {
  readonly registrations: readonly Registration[];
  readonly overrides: readonly PolicyOverride[];
  readonly probe: ProbeResult | undefined;
}

interface MergedService {
  readonly service: Service;
  readonly inputs: ServiceInputs;
  readonly problems: readonly Problem[];
}

const origins = new WeakMap<Service, MergedService>();

function unchanged(service: Service | undefined, inputs: ServiceInputs): MergedService | undefined {
  const origin = service && origins.get(service);
  if (!origin) return undefined;
  const same =
    origin.inputs.probe === inputs.probe &&
    sameItems(origin.inputs.registrations, inputs.registrations) &&
    sameItems(origin.inputs.overrides, inputs.overrides);
  return same ? origin : undefined;
}

function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}

function bySource(a: Registered, b: Registered): number {
  return precedence.indexOf(a.source) - precedence.indexOf(b.source);
}

/** Every registration by service, in precedence order; a repeated address is taken once. */
function groupByName(reports: readonly Registered[]): Map<string, Registration[]> {
  const groups = new Map<string, Registration[]>();
  const taken = new Set<string>();
  for (const registration of reports.flatMap(({ registrations }) => registrations)) {
    const address = `${registration.name} ${registration.host} ${registration.port}`;
    if (taken.has(address)) continue;
    taken.add(address);
    const group = groups.get(registration.name);
    if (group) group.push(registration);
    else groups.set(registration.name, [registration]);
  }
  return groups;
}

function mergeService(name: string, inputs: ServiceInputs): MergedService {
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
  const leader = leadingRegistration(fitting);
  const policy = inputs.overrides.reduceRight<Policy>(
    (base, override) => ({ ...base, ...override }),
    { era: leader.era, health: leader.health, traffic: leader.traffic, expose: leader.expose },
  );
  const service: Service = {
    ...policy,
    name,
    path: servedPath,
    instances: fitting.map(toInstance).sort((a, b) => (a.id < b.id ? -1 : 1)),
    probe: inputs.probe,
  };
  problems.push(...differingPolicies(leader, fitting, inputs.overrides));
  const { probe } = inputs;
  if (probe?.failure)
    problems.push(problem(probe.failure.code, { service: name }, probe.failure.message));
  for (const id of probe?.silent ?? []) problems.push(silentInstance(name, id));
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

/** Whose policy the service takes: the newest version, then precedence, then id. */
function byLead(a: Ranked, b: Ranked): number {
  return (
    compare(b.version, a.version) ||
    precedence.indexOf(a.source) - precedence.indexOf(b.source) ||
    (a.id < b.id ? -1 : 1)
  );
}

function leadingRegistration(registrations: readonly Registration[]): Registration {
  const [leader] = [...registrations].sort(byLead);
  if (!leader) throw new Error('a service has at least one registration');
  return leader;
}

/** Whether a service of these instances would take its policy from `newcomer`. */
export function leads(newcomer: Registration, present: readonly Instance[]): boolean {
  return present.every((other) => other.id === newcomer.id || byLead(newcomer, other) < 0);
}

const policyBlocks = ['era', 'health', 'traffic', 'expose'] as const;

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

/** Allowed, as one process may be moving from a name to another; but agents see its tools twice. */
function sharedAddresses(services: readonly Service[]): Problem[] {
  const problems: Problem[] = [];
  const owners = new Map<string, string>();
  for (const { name: service, path, instances } of services)
    for (const { host, port, id: instance, source } of instances) {
      const address = `${host} ${port} ${path}`;
      const owner = owners.get(address);
      if (owner === undefined) owners.set(address, service);
      else {
        const message =
          `${owner} and ${service} are both registered at ${host} port ${port} ${path}: agents ` +
          'see every tool of that server twice. Remove one unless that is meant.';
        problems.push(problem('address_shared', { service, instance, source }, message));
      }
    }
  return problems;
}

const instances = new WeakMap<Registration, Instance>();

function toInstance(registration: Registration): Instance {
  const known = instances.get(registration);
  if (known) return known;
  const { id, source, version, host, port, tags, metadata } = registration;
  const { zone, weight, priority, checkedBy, passing } = registration;
  const instance: Instance = {
    ...{ id, source, version, host, port, tags, metadata },
    ...{ zone, weight, priority, checkedBy, passing },
  };
  instances.set(registration, instance);
  return instance;
}

/**
 * Tools whose exposed name is too long, another service's, or given twice. Who keeps a name
 * that several expose is decided by their own names alone (see `toolOwners`), so that every
 * replica and every restart decides alike.
 */
export function exposedNameProblems(services: readonly Service[]): Problem[] {
  const problems: Problem[] = [];
  const owners = toolOwners(services);
  for (const { name: service, expose, probe } of services) {
    const given = new Set<string>();
    for (const { name: tool } of probe?.catalogue?.tools ?? []) {
      if (!isExposed(tool, expose.tools)) continue;
      const name = exposedToolName(service, tool, expose.prefix);
      const owner = owners.get(name);
      const subject = { service, path: `tools.${tool}` };
      let message: string | undefined;
      if (name.length > toolNameMax) message = tooLong(name);
      else if (owner !== undefined && owner !== service) message = takenBy(owner, name);
      else if (given.has(name)) message = givenTwice(name);
      if (message !== undefined) problems.push(problem('tool_name_unusable', subject, message));
      given.add(name);
    }
  }
  return problems;
}

const tooLong = (name: string): string =>
  `The tool ${name} is hidden: its name has ${name.length} characters and clients take ` +
  `${toolNameMax}. Shorten the service's or the tool's name, or set expose.prefix to false.`;

const takenBy = (owner: string, name: string): string =>
  `The tool ${name} is hidden: ${owner} exposes the same name. Set expose.prefix to true.`;

const givenTwice = (name: string): string =>
  `The tool ${name} is shown once: its server lists several tools of this name.`;

const silentInstance = (service: string, instance: string): Problem =>
  problem(
    'server_unreachable',
    { service, instance },
    `Instance ${instance} of ${service} does not answer. The others serve meanwhile: ` +
      'mend it, or take its registration out.',
  );
