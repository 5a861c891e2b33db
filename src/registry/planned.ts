/**
 * Changes to a registry thought through one after the other, without writing any:
 * what each would do, which the admin API would refuse, and what the registry would
 * report after them. Pure.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Problem } from '../errors.js';
import { serviceNamed } from '../fleet/changes.js';
import type { Fleet, ProbeReport, Registration, SourceName } from '../fleet/fleet.js';
import { merge, type Registered } from '../fleet/merge.js';
import { conflictsWith, conflictsWithout } from '../fleet/newcomer.js';
import type { Identity } from '../identity_on.js';
import { decodeRegistration, identify } from './decode.js';
import type { RegistrationDocument } from './registry.js';

/** Registrations first: so a replacement stands before what it replaces goes. */
export interface Changes {
  readonly services: readonly RegistrationDocument[];
  /** `claims`, or one instance as `claims/10.0.0.7:3000`. */
  readonly remove: readonly string[];
}

export interface PlannedStep {
  readonly what: 'register' | 'remove';
  readonly service: string;
  readonly instance?: string | undefined;
  readonly version?: string;
  /** `absent`: there is nothing to remove. `refused`: the registry would stay as it is. */
  readonly change: 'added' | 'replaced' | 'unchanged' | 'removed' | 'absent' | 'refused';
  /** Why it would be refused, and fields that are not acted on. */
  readonly problems: readonly Problem[];
}

export interface Standing {
  readonly reports: readonly Registered[];
  readonly probes: ProbeReport;
  readonly fleet: Fleet;
}

export interface Writing {
  readonly source: SourceName;
  readonly allowedTargets: readonly string[];
  readonly identity?: Identity | undefined;
}

/** The steps, and what all registries would report after them. */
export function thoughtThrough(
  standing: Standing,
  { services, remove }: Changes,
  writing: Writing,
): { readonly steps: readonly PlannedStep[]; readonly reports: readonly Registered[] } {
  const steps: PlannedStep[] = [];
  let now = standing;
  const take = ({ step, registrations }: Thought) => {
    steps.push(step);
    if (registrations !== undefined) now = standingAfter(now, registrations, writing.source);
  };
  for (const document of services) take(registering(now, document, writing));
  for (const named of remove) take(removing(now, named, writing));
  return { steps, reports: now.reports };
}

interface Thought {
  readonly step: PlannedStep;
  /** All of the registry after it; undefined: as before. */
  readonly registrations?: readonly Registration[];
}

function registering(now: Standing, document: RegistrationDocument, writing: Writing): Thought {
  const decoded = decodeRegistration(document, writing);
  if (!decoded.ok) {
    const { name = 'a registration without a name', id: instance } = identify(document);
    const { problems } = decoded;
    return { step: { what: 'register', service: name, instance, change: 'refused', problems } };
  }
  const { value: newcomer, warnings } = decoded.value;
  const { name: service, id: instance, version } = newcomer;
  const about = { what: 'register', service, instance, version } as const;
  const conflicts = conflictsWith(now.fleet, newcomer);
  if (conflicts.length > 0) return { step: { ...about, change: 'refused', problems: conflicts } };
  const present = registrationsOf(now, writing.source);
  const at = present.findIndex((each) => isSameServer(each, newcomer));
  const known = present[at];
  if (known === undefined) {
    const step = { ...about, change: 'added', problems: warnings } as const;
    return { step, registrations: [...present, newcomer] };
  }
  // The registry's own name of it stays, and so does what its checks say.
  const { id, checkedBy, passing, unchecked } = known;
  const said = { id, checkedBy, passing, ...(unchecked && { unchecked }) };
  const replacement = { ...newcomer, ...said };
  const same = { ...about, instance: id, problems: warnings };
  if (isDeepStrictEqual(replacement, known)) return { step: { ...same, change: 'unchanged' } };
  const registrations = present.map((each, index) => (index === at ? replacement : each));
  return { step: { ...same, change: 'replaced' }, registrations };
}

const isSameServer = (one: Registration, other: Registration): boolean =>
  one.name === other.name && one.host === other.host && one.port === other.port;

function removing(now: Standing, named: string, { source }: Writing): Thought {
  const { service, instance } = removalOf(named);
  const about = { what: 'remove', service, instance } as const;
  const present = registrationsOf(now, source);
  const goes = ({ name, id }: Registration) =>
    name === service && (instance === undefined || id === instance);
  const gone = new Set(present.filter(goes).map(({ id }) => id));
  if (gone.size === 0) return { step: { ...about, change: 'absent', problems: [] } };
  const instances = serviceNamed(now.fleet, service)?.instances ?? [];
  const conflicts = conflictsWithout(
    now.fleet,
    service,
    instances.filter((each) => each.source === source && gone.has(each.id)),
  );
  if (conflicts.length > 0) return { step: { ...about, change: 'refused', problems: conflicts } };
  const registrations = present.filter((each) => !goes(each));
  return { step: { ...about, change: 'removed', problems: [] }, registrations };
}

function removalOf(named: string): { service: string; instance: string | undefined } {
  const at = named.indexOf('/');
  return at === -1
    ? { service: named, instance: undefined }
    : { service: named.slice(0, at), instance: named.slice(at + 1) };
}

const registrationsOf = ({ reports }: Standing, source: SourceName): readonly Registration[] =>
  reports.find((report) => report.source === source)?.registrations ?? [];

function standingAfter(
  { reports, probes, fleet }: Standing,
  registrations: readonly Registration[],
  source: SourceName,
): Standing {
  const nothing = { source, policies: new Map(), rollouts: new Map() };
  const own = reports.find((report) => report.source === source) ?? nothing;
  const others = reports.filter((report) => report !== own);
  const next = [...others, { ...own, registrations }];
  return { reports: next, probes, fleet: merge(next, probes, fleet).fleet };
}
