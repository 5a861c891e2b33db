/**
 * Reports of every registry and of the probe → one fleet, and what is wrong.
 * Pure. What is made of a report is remembered with the fleet, so that the next
 * one costs what changed in it and not how many services there are; from an
 * unknown fleet everything is made anew, to the same result.
 */
import { problem, type Problem } from '../errors.js';
import { differences, PersistentMap } from '../persistent_map.js';
import { fleetChanges, fleetWith, serviceNamed } from './changes.js';
import { claimIndex } from './claims.js';
import { followDependencies, unmetDependencies } from './dependencies.js';
import type { Fleet, PolicyOverride, ProbeReport, Registration, Service } from './fleet.js';
import type { KeptRollout, SourceName } from './fleet.js';
import { noGroups, regrouped, type Groups } from './groups.js';
import type { RolloutDocument } from './rollout.js';
import { mergeService, precedence, unchanged, type ServiceInputs } from './service.js';
import { takenToolNames, toolClaims } from './tool_names.js';

/** The part of a registry's report that makes up the fleet. */
export interface Registered {
  readonly source: SourceName;
  /** No object twice; an unchanged registration is the same object as in the report before. */
  readonly registrations: readonly Registration[];
  readonly policies: ReadonlyMap<string, PolicyOverride>;
  readonly rollouts: ReadonlyMap<string, RolloutDocument>;
}

interface Merged {
  readonly fleet: Fleet;
  readonly problems: readonly Problem[];
}

/** What a fleet was made of. */
interface Origin {
  readonly sources: ReadonlyMap<SourceName, Source>;
  readonly probes: ProbeReport;
  /** By service; without those of which all is well. */
  readonly problems: PersistentMap<readonly Problem[]>;
}

interface Source {
  readonly groups: Groups;
  readonly policies: Registered['policies'];
  readonly rollouts: Registered['rollouts'];
}

const origins = new WeakMap<Fleet, Origin>();
const unknown: Origin = { sources: new Map(), probes: new Map(), problems: PersistentMap.of() };

export function merge(
  reports: readonly Registered[],
  probes: ProbeReport,
  previous: Fleet,
): Merged {
  const before = origins.get(previous) ?? unknown;
  const touched = new Set(differences(before.probes, probes));
  const sources = sourcesOf(reports, before, touched);
  const services = new Map<string, Service | undefined>();
  const problems = new Map<string, readonly Problem[] | undefined>();
  // Nothing is known of what an unknown fleet held: what is not made anew is gone.
  if (before === unknown) for (const { name } of previous.services) services.set(name, undefined);
  for (const name of touched) {
    const present = serviceNamed(previous, name);
    const inputs = inputsOf(name, sources, probes);
    const merged = inputs && (unchanged(present, inputs) ?? mergeService(name, inputs));
    if (merged?.service !== present) services.set(name, merged?.service);
    else services.delete(name);
    problems.set(name, merged?.problems.length ? merged.problems : undefined);
  }
  const fleet = services.size === 0 ? previous : followed(previous, fleetWith(previous, services));
  const origin = { sources, probes, problems: before.problems.with(problems) };
  origins.set(fleet, origin);
  return {
    fleet,
    problems: [
      ...ownProblems(origin),
      ...sharedAddresses(fleet),
      ...takenToolNames(fleet),
      ...unmetDependencies(fleet),
    ],
  };
}

/** Adds to `touched` the services of which a report says something else than before. */
function sourcesOf(
  reports: readonly Registered[],
  before: Origin,
  touched: Set<string>,
): ReadonlyMap<SourceName, Source> {
  const sources = new Map<SourceName, Source>();
  for (const source of precedence) {
    const report = reports.find((each) => each.source === source);
    const known = before.sources.get(source);
    const groups = regrouped(known?.groups ?? noGroups, report?.registrations ?? []);
    const policies = report?.policies ?? noPolicies;
    for (const name of groups.touched) touched.add(name);
    for (const name of differences(known?.policies ?? noPolicies, policies)) touched.add(name);
    const rollouts = report?.rollouts ?? noRollouts;
    for (const name of differences(known?.rollouts ?? noRollouts, rollouts)) touched.add(name);
    sources.set(source, { groups, policies, rollouts });
  }
  return sources;
}

const noPolicies: Registered['policies'] = new Map();
const noRollouts: Registered['rollouts'] = new Map();

/** Undefined: nobody registered under this name. */
function inputsOf(
  name: string,
  sources: ReadonlyMap<SourceName, Source>,
  probes: ProbeReport,
): ServiceInputs | undefined {
  const inOrder = [...sources.values()];
  const registrations = onceByAddress(inOrder.flatMap(({ groups }) => groups.of(name)));
  if (registrations.length === 0) return undefined;
  const overrides = inOrder.flatMap(({ policies }) => policies.get(name) ?? []);
  return { registrations, overrides, probe: probes.get(name), rollout: rolloutOf(name, sources) };
}

function rolloutOf(
  name: string,
  sources: ReadonlyMap<SourceName, Source>,
): KeptRollout | undefined {
  for (const [source, { rollouts }] of sources) {
    const document = rollouts.get(name);
    if (document) return { source, document };
  }
  return undefined;
}

function onceByAddress(registrations: readonly Registration[]): readonly Registration[] {
  const taken = new Set<string>();
  return registrations.filter(({ host, port }) => {
    const address = `${host} ${port}`;
    return !taken.has(address) && taken.add(address);
  });
}

function followed(previous: Fleet, next: Fleet): Fleet {
  const changes = fleetChanges(previous, next);
  for (const claims of [addressClaims, toolClaims]) claims.follow(previous, next, changes);
  followDependencies(previous, next, changes);
  return next;
}

function ownProblems({ problems }: Origin): Problem[] {
  return [...problems].sort(([one], [other]) => (one < other ? -1 : 1)).flatMap(([, own]) => own);
}

const addressOf = (path: string, { host, port }: { host: string; port: number }): string =>
  `${host} port ${port} ${path}`;

const addressClaims = claimIndex(({ path, instances }) =>
  instances.map((instance) => addressOf(path, instance)),
);

/** Allowed, as one process may be moving from a name to another; but agents see its tools twice. */
function sharedAddresses(fleet: Fleet): Problem[] {
  return addressClaims.contested(fleet).flatMap(([address, [owner = '', ...others]]) =>
    others.map((name) => {
      const service = serviceNamed(fleet, name);
      const there = service?.instances.find((each) => addressOf(service.path, each) === address);
      const message =
        `${owner} and ${name} are both registered at ${address}: agents see every tool of that ` +
        'server twice. Remove one unless that is meant.';
      const subject = { service: name, instance: there?.id, source: there?.source };
      return problem('address_shared', subject, message);
    }),
  );
}
