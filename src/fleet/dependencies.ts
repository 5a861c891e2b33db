/**
 * What services say they depend on, resolved over the versions that are registered.
 * A version is broken when no version that could meet one of its dependencies is
 * itself whole; services that depend on each other in a circle are whole together.
 * Kept from fleet to fleet: a change asks only about those who depend on it.
 */
import { rcompare, satisfies } from 'semver';
import { problem, type Problem } from '../errors.js';
import { PersistentMap } from '../persistent_map.js';
import { serviceNamed, type ServiceChange } from './changes.js';
import { claimIndex } from './claims.js';
import type { Dependency, Fleet, Service } from './fleet.js';

/** One dependency that nothing meets. */
interface Unmet {
  readonly service: string;
  readonly version: string;
  readonly dependency: Dependency;
  /** `claims@2.1.0 → policy@^2 → customer@^1 (absent)`. */
  readonly chain: string;
}

/** By the service that depends. */
type UnmetByService = PersistentMap<readonly Unmet[]>;

const known = new WeakMap<Fleet, UnmetByService>();

function unmetIn(fleet: Fleet): UnmetByService {
  const found = known.get(fleet) ?? resolvedAnew(fleet);
  known.set(fleet, found);
  return found;
}

/** Every dependency that is not met, sorted by service. */
export function unmetDependencies(fleet: Fleet): readonly Problem[] {
  return sorted(unmetIn(fleet)).map((unmet) => problemOf(unmet, fleet));
}

/** Of what is not met in `next`, what was in `previous`: what such a change would break. */
export function newlyUnmet(
  previous: Fleet,
  next: Fleet,
  changes: readonly ServiceChange[],
): readonly Problem[] {
  const before = new Set(sorted(unmetIn(previous)).map(keyOf));
  followDependencies(previous, next, changes);
  const broken = sorted(unmetIn(next)).filter((unmet) => !before.has(keyOf(unmet)));
  return broken.map((unmet) => problemOf(unmet, next));
}

/** Carries what is known of `previous` over to `next`, which differs by `changes`. */
export function followDependencies(
  previous: Fleet,
  next: Fleet,
  changes: readonly ServiceChange[],
): void {
  const before = unmetIn(previous);
  targets.follow(previous, next, changes);
  const changed = changes.filter((each) => signatureOf(each.before) !== signatureOf(each.after));
  const affected = withDependants(
    changed.map(({ name }) => name),
    next,
  );
  known.set(next, resolved(affected, next, before));
}

function resolvedAnew(fleet: Fleet): UnmetByService {
  const names = fleet.services.map(({ name }) => name);
  return resolved(new Set(names), fleet, PersistentMap.of());
}

const sorted = (unmet: UnmetByService): readonly Unmet[] =>
  [...unmet].sort(([one], [other]) => (one < other ? -1 : 1)).flatMap(([, all]) => all);

const keyOf = ({ service, version, dependency }: Unmet): string =>
  `${service}@${version} ${textOf(dependency)}`;

const textOf = ({ service, range }: Dependency): string => `${service}@${range}`;

function problemOf({ service, version, dependency, chain }: Unmet, fleet: Fleet): Problem {
  const instances = serviceNamed(fleet, service)?.instances ?? [];
  const first = instances.find((instance) => instance.version === version);
  const message =
    `${service} ${version} depends on ${textOf(dependency)}, which nothing registered meets: ` +
    `${chain}. Register what is missing, or correct dependsOn.`;
  const subject = { service, instance: first?.id, source: first?.source, path: 'dependsOn' };
  return problem('dependency_unmet', subject, message);
}

/** Version → what it depends on: what any of its instances says. */
type Needs = ReadonlyMap<string, readonly Dependency[]>;

const needs = new WeakMap<Service, Needs>();

function needsOf(service: Service): Needs {
  const found = needs.get(service);
  if (found) return found;
  const all = new Map<string, Map<string, Dependency>>();
  for (const { version, dependsOn } of service.instances) {
    const own = all.get(version) ?? new Map<string, Dependency>();
    for (const dependency of dependsOn) own.set(textOf(dependency), dependency);
    all.set(version, own);
  }
  const versions = [...all].sort(
    ([one], [other]) => rcompare(one, other) || (one < other ? -1 : 1),
  );
  const result = new Map(
    versions.map(([version, own]) => [version, [...own].sort(byText).map(([, each]) => each)]),
  );
  needs.set(service, result);
  return result;
}

const byText = ([one]: readonly [string, unknown], [other]: readonly [string, unknown]) =>
  one < other ? -1 : 1;

/** All that others, or its own dependencies, could depend on. */
const signatureOf = (service: Service | undefined): string =>
  service ? JSON.stringify([...needsOf(service)]) : '';

/** A service → those who depend on it. */
const targets = claimIndex(dependenciesOf);

/** The services it calls, whichever of its versions does, sorted. */
export function dependenciesOf(service: Service): readonly string[] {
  const all = [...needsOf(service).values()].flat().map((dependency) => dependency.service);
  return [...new Set(all)].sort();
}

/** The services that call it, sorted. */
export const dependantsOf = (fleet: Fleet, name: string): readonly string[] =>
  targets.claimants(fleet, name);

/** These, those who depend on them, those who depend on those, and so on. */
function withDependants(names: readonly string[], fleet: Fleet): ReadonlySet<string> {
  const found = new Set(names);
  // A set goes on to what is added while it is gone through.
  for (const name of found) for (const each of targets.claimants(fleet, name)) found.add(each);
  return found;
}

/** What others have is as `before` says; these are resolved anew, and nobody is broken at first. */
function resolved(
  names: ReadonlySet<string>,
  fleet: Fleet,
  before: UnmetByService,
): UnmetByService {
  const broken = new Map([...names].map((name) => [name, new Set<string>()]));
  const isBroken: IsBroken = (name, version) =>
    broken.get(name)?.has(version) ??
    (before.get(name) ?? []).some((unmet) => unmet.version === version);
  const queue = [...names];
  for (const name of queue) {
    const service = serviceNamed(fleet, name);
    const fallen = [...(service ? needsOf(service) : [])].filter(
      ([version, all]) =>
        !isBroken(name, version) && all.some((each) => !isMet(each, fleet, isBroken)),
    );
    for (const [version] of fallen) broken.get(name)?.add(version);
    if (fallen.length > 0) queue.push(...targets.claimants(fleet, name));
  }
  return before.with(
    [...names].map((name) => {
      const unmet = unmetOf(serviceNamed(fleet, name), fleet, isBroken);
      return [name, unmet.length > 0 ? unmet : undefined];
    }),
  );
}

type IsBroken = (service: string, version: string) => boolean;

const isMet = (dependency: Dependency, fleet: Fleet, isBroken: IsBroken): boolean =>
  candidates(dependency, fleet).some((version) => !isBroken(dependency.service, version));

/** The versions that could meet it, newest first. */
function candidates({ service, range }: Dependency, fleet: Fleet): readonly string[] {
  const present = serviceNamed(fleet, service);
  return present ? [...needsOf(present).keys()].filter((each) => satisfies(each, range)) : [];
}

function unmetOf(service: Service | undefined, fleet: Fleet, isBroken: IsBroken): readonly Unmet[] {
  if (service === undefined) return [];
  const { name } = service;
  return [...needsOf(service)].flatMap(([version, all]) =>
    all
      .filter((dependency) => !isMet(dependency, fleet, isBroken))
      .map((dependency) => {
        const links = linksToMissing(dependency, fleet, isBroken);
        return {
          ...{ service: name, version, dependency },
          chain: [`${name}@${version}`, ...links].join(' → '),
        };
      }),
  );
}

/** The shortest way to what is missing; a circle is never gone round. */
function linksToMissing(
  dependency: Dependency,
  fleet: Fleet,
  isBroken: IsBroken,
): readonly string[] {
  const seen = new Set([textOf(dependency)]);
  const ways: (readonly Dependency[])[] = [[dependency]];
  for (const way of ways) {
    const last = way.at(-1) ?? dependency;
    const versions = candidates(last, fleet);
    if (versions.length === 0) return [...way.map(textOf).slice(0, -1), missingText(last, fleet)];
    const present = serviceNamed(fleet, last.service);
    const further = versions.flatMap((version) => (present && needsOf(present).get(version)) ?? []);
    for (const next of further)
      if (!seen.has(textOf(next)) && !isMet(next, fleet, isBroken)) {
        seen.add(textOf(next));
        ways.push([...way, next]);
      }
  }
  return ways[0]?.map(textOf) ?? [];
}

function missingText(dependency: Dependency, fleet: Fleet): string {
  const present = serviceNamed(fleet, dependency.service);
  const versions = present ? [...needsOf(present).keys()] : [];
  const there = versions.length > 0 ? `only ${versions.join(', ')}` : 'absent';
  return `${textOf(dependency)} (${there})`;
}
