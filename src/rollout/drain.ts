/**
 * What becomes of the version that lost once its rollout has ended: it keeps the sessions
 * that it has for a while, and is then retired: it leaves the service's endpoints, so its
 * sessions come to the clean end that clients begin anew from. That it is retired is an
 * event like any other; from the events it is known which versions are.
 */
import type { Rollout, RolloutDocument } from '../fleet/rollout.js';
import { shareOfNew } from './shares.js';
import { spoken } from './words.js';

/** Where a rollout does not say how long. */
export const usualDrainMs = 600_000;

export const drainOf = ({ drainMs }: Rollout): number => drainMs ?? usualDrainMs;

/** Of a rollout that has ended: the version that serves. */
export const winnerOf = (rollout: Rollout): string =>
  shareOfNew(rollout) === 100 ? rollout.to : rollout.from;

/** Of a rollout that has ended: the version that drains, or is retired. */
export const loserOf = (rollout: Rollout): string =>
  shareOfNew(rollout) === 100 ? rollout.from : rollout.to;

/** What the end of a rollout means for those who are in the middle of something. */
export function drainWords(document: RolloutDocument): string {
  const [loser, drained] = [loserOf(document.current), drainTime(document)];
  if (drained === 0) return `sessions on ${loser} end at once`;
  return `${loser} keeps its sessions for ${spoken(drained)}, then they end`;
}

/** A rollback after it brings the version back. */
export const isRetired = ({ events }: Rollout): boolean => events.at(-1)?.what === 'retire';

/** ms since the epoch, of a rollout that has ended. */
const endedAt = ({ events, stepSince }: Rollout): number =>
  events.findLast(({ what }) => what !== 'retire')?.at ?? stepSince;

/**
 * How much of the drain is left. A rollout that began before the loser of another had drained
 * retires both, so it waits for both. A clock behind the end has counted none of the time.
 */
export function drainLeft({ current, earlier }: RolloutDocument, now: number): number {
  const known = earlier.findIndex(isRetired);
  const draining = [current, ...(known < 0 ? earlier : earlier.slice(0, known))];
  const left = draining.map((each) => drainOf(each) - Math.max(0, now - endedAt(each)));
  return Math.max(0, ...left);
}

/** From the end of the rollout to the retirement, in ms. */
export const drainTime = (document: RolloutDocument): number =>
  drainLeft(document, endedAt(document.current));

/**
 * Whether a version has no sessions left to keep, though its instances may still be there. The
 * newest rollout that names it decides; one that came to its retirement left nobody but its winner.
 */
export function isGone({ current, earlier }: RolloutDocument, version: string): boolean {
  for (const rollout of [current, ...earlier]) {
    if (isRetired(rollout)) return version !== winnerOf(rollout);
    if (rollout.from === version || rollout.to === version) return false;
  }
  return false;
}

/** Whether the version that serves now was gone until the last event, so nobody knows it well. */
export function hasReturned({ current, earlier }: RolloutDocument): boolean {
  const events = current.events.slice(0, -1);
  const phase = events.at(-1)?.to;
  const [newest, ...older] = earlier;
  const before = phase
    ? { current: { ...current, phase, events }, earlier }
    : newest && { current: newest, earlier: older };
  return before !== undefined && isGone(before, winnerOf(current));
}
