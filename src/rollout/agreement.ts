/**
 * Whether a rollout may start by its contract: nothing breaks, unless that was
 * accepted, and the version numbers say what changed (semver). Pure.
 */
import { compare, parse, type SemVer } from 'semver';
import type { Catalogue } from '../fleet/fleet.js';
import { catalogueDifferences, type Difference, type Level } from './contract.js';

interface Offer {
  readonly version: string;
  /** Undefined: not asked yet, or it never answered. */
  readonly catalogue: Catalogue | undefined;
}

export interface ContractQuestion {
  readonly from: Offer;
  readonly to: Offer;
  readonly acceptBreaking: boolean;
}

export interface ContractVerdict {
  readonly mayStart: boolean;
  readonly differences: readonly Difference[];
  /** Why it may not start, each a sentence that says what to do. */
  readonly refusals: readonly string[];
  /** What was overridden, to be told and kept with the rollout; undefined: nothing. */
  readonly accepted: string | undefined;
}

export function judgeContract({ from, to, acceptBreaking }: ContractQuestion): ContractVerdict {
  const differences = catalogueDifferences(from.catalogue, to.catalogue);
  const breaking = differences.filter((each) => each.breaking);
  const versions = `${from.version} to ${to.version}`;
  const refused = breaking.length > 0 && !acceptBreaking;
  const disagreement = numbersDisagree(from, to);
  const refusals = [
    ...(refused
      ? [`${told(breaking)} from ${versions}. Agents may fail: mend it, or --accept-breaking.`]
      : []),
    ...(disagreement === undefined ? [] : [disagreement]),
  ];
  const overridden = breaking.length > 0 && acceptBreaking;
  const accepted = overridden ? `Accepted as breaking: ${told(breaking)}.` : undefined;
  return { mayStart: refusals.length === 0, differences, refusals, accepted };
}

const toldMax = 5;

function told(differences: readonly Difference[]): string {
  const shown = differences.slice(0, toldMax).map(({ subject, words }) => `${subject} ${words}`);
  const more = differences.length - shown.length;
  return shown.join('; ') + (more > 0 ? `; and ${more} more` : '');
}

const rank: Readonly<Record<Level, number>> = { patch: 0, minor: 1, major: 2 };

/** Numbers are about the way up, also where a rollout goes down to an older version. */
function numbersDisagree(from: Offer, to: Offer): string | undefined {
  if (!from.catalogue || !to.catalogue) return undefined;
  const [older, newer] = compare(from.version, to.version) <= 0 ? [from, to] : [to, from];
  const allowed = levelBetween(older.version, newer.version);
  const [gravest] = catalogueDifferences(older.catalogue, newer.catalogue)
    .filter(({ level }) => rank[level] > rank[allowed])
    .sort((one, other) => rank[other.level] - rank[one.level]);
  if (gravest === undefined) return undefined;
  const { subject, words, level } = gravest;
  const step = levelText(allowed);
  return (
    `${older.version} to ${newer.version} is ${step}, and ${subject} ${words}: ` +
    `that needs ${levelText(level)}. Give the version the number that agents can rely on.`
  );
}

const levelText = (level: Level): string => `a ${level} version`;

/**
 * What may change between two versions, by the number that moved. As `^` reads it: before
 * 1.0.0 the first number that is not 0 counts as the major one. Pre-releases of one
 * version promise nothing to each other or to it.
 */
export function levelBetween(older: string, newer: string): Level {
  const [one, other] = [parse(older), parse(newer)];
  if (!one || !other) return 'major';
  if (one.prerelease.length > 0 && one.compareMain(other) === 0) return 'major';
  const places = [one.major, one.minor, one.patch];
  const moved = places.findIndex((place, index) => place !== numbersOf(other)[index]);
  if (moved === -1) return 'patch';
  const leading = numbersOf(other).findIndex((place) => place > 0);
  const first = places[0] === 0 ? Math.min(leading === -1 ? 0 : leading, 2) : 0;
  return (['major', 'minor', 'patch'] as const)[Math.max(0, moved - first)] ?? 'patch';
}

const numbersOf = ({ major, minor, patch }: SemVer): readonly number[] => [major, minor, patch];
