/**
 * Which services lay claim to the same thing: an address, the name of a tool.
 * Kept from fleet to fleet, so that a change asks only about its own claims.
 */
import { PersistentMap } from '../persistent_map.js';
import type { ServiceChange } from './changes.js';
import type { Fleet, Service } from './fleet.js';

type Claimants = readonly string[];
type Contest = readonly [claim: string, claimants: Claimants];

interface Claims {
  /** What is claimed → the services that do, sorted by name. */
  readonly all: PersistentMap<Claimants>;
  /** Of those, what several claim. */
  readonly contested: PersistentMap<Claimants>;
}

/** One kind of claim. */
export interface ClaimIndex {
  /** What several services of the fleet claim, with those services; all sorted. */
  contested(fleet: Fleet): readonly Contest[];
  /** The services that claim it, sorted. */
  claimants(fleet: Fleet, claim: string): Claimants;
  /** Carries what is known of `previous` over to `next`, which differs by `changes`. */
  follow(previous: Fleet, next: Fleet, changes: readonly ServiceChange[]): void;
}

export function claimIndex(claimsOf: (service: Service) => readonly string[]): ClaimIndex {
  const known = new WeakMap<Fleet, Claims>();
  const indexed = (fleet: Fleet): Claims => {
    const claims = known.get(fleet) ?? claimsAfter(none, additions(fleet), claimsOf);
    known.set(fleet, claims);
    return claims;
  };
  return {
    contested: (fleet) =>
      [...indexed(fleet).contested].sort(([one], [other]) => (one < other ? -1 : 1)),
    claimants: (fleet, claim) => indexed(fleet).all.get(claim) ?? [],
    follow(previous, next, changes) {
      known.set(next, claimsAfter(indexed(previous), changes, claimsOf));
    },
  };
}

const none: Claims = { all: PersistentMap.of(), contested: PersistentMap.of() };

const additions = ({ services }: Fleet): ServiceChange[] =>
  services.map((after) => ({ name: after.name, before: undefined, after }));

function claimsAfter(
  { all, contested }: Claims,
  changes: readonly ServiceChange[],
  claimsOf: (service: Service) => readonly string[],
): Claims {
  const touched = new Map<string, Claimants>();
  const present = (claim: string) => touched.get(claim) ?? all.get(claim) ?? [];
  for (const { name, before, after } of changes) {
    const [had, has] = [claimsIn(before, claimsOf), claimsIn(after, claimsOf)];
    for (const claim of had)
      if (!has.has(claim))
        touched.set(
          claim,
          present(claim).filter((each) => each !== name),
        );
    for (const claim of has)
      if (!had.has(claim)) touched.set(claim, [...present(claim), name].sort());
  }
  const changed = [...touched];
  return {
    all: all.with(changed.map(([claim, names]) => [claim, atLeast(1, names)])),
    contested: contested.with(changed.map(([claim, names]) => [claim, atLeast(2, names)])),
  };
}

const claimsIn = (
  service: Service | undefined,
  claimsOf: (service: Service) => readonly string[],
): ReadonlySet<string> => new Set(service ? claimsOf(service) : []);

const atLeast = (count: number, names: Claimants): Claimants | undefined =>
  names.length >= count ? names : undefined;
