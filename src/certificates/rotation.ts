/**
 * How one root follows another, as pure functions of what is kept and the time:
 * next → signing → retiring → gone. All that are not gone are trusted. A new one
 * signs only when whoever renews has had time to get it, and an old one goes
 * when the last leaf it signed has ended, so no living leaf is ever distrusted.
 */

/** Times are ms since the epoch. */
export interface RootTimes {
  readonly madeAt: number;
  readonly expiresAt: number;
  readonly signsFrom: number;
  /** The longest life of a leaf it was ever told to sign. */
  readonly leafLifeMs: number;
}

/** trusted: given beside the one that signs. */
export type RootState = 'next' | 'signing' | 'retiring' | 'trusted';

export interface Standing<R> {
  readonly root: R;
  readonly state: RootState;
  readonly since: number;
  /** When it leaves this state, where that is known. */
  readonly until: number | undefined;
}

/** Renewals come before half a life is over, and bring the roots with them. */
export const overlapMs = (leafLifeMs: number): number => Math.ceil(leafLifeMs / 2);

/** Where each root stands, in the order in which they sign; the gone ones are left out. */
export function standings<R extends RootTimes>(
  roots: readonly R[],
  now: number,
): readonly Standing<R>[] {
  const ordered = [...roots].sort((one, other) => one.signsFrom - other.signsFrom);
  const begun = ordered.findLastIndex(({ signsFrom }) => signsFrom <= now);
  // Before the first begins (a clock that was set back) it signs all the same.
  const signing = Math.max(begun, 0);
  return ordered.flatMap((root, index): Standing<R>[] => {
    const follower = ordered[index + 1]?.signsFrom;
    if (index > signing)
      return [{ root, state: 'next', since: root.madeAt, until: root.signsFrom }];
    if (index === signing)
      return [{ root, state: 'signing', since: root.signsFrom, until: follower }];
    const since = follower ?? root.signsFrom;
    const until = since + root.leafLifeMs;
    return until > now ? [{ root, state: 'retiring', since, until }] : [];
  });
}

/** The one that signs; undefined only where there is none at all. */
export function signing<R extends RootTimes>(roots: readonly R[], now: number): R | undefined {
  return standings(roots, now).find(({ state }) => state === 'signing')?.root;
}

/**
 * Whom everybody knows who renews in time: the one that signs, or the one before it where that
 * was made to sign at once. Undefined only where there is none at all.
 */
export function known<R extends RootTimes>(
  roots: readonly R[],
  now: number,
): Standing<R> | undefined {
  const begun = standings(roots, now).filter(({ state }) => state !== 'next');
  const isKnown = ({ root }: Standing<R>): boolean =>
    root.madeAt + overlapMs(root.leafLifeMs) <= now;
  return begun.findLast(isKnown) ?? begun[0];
}

export type Haste = 'soon' | 'now';

/** When a root that is made now begins to sign. */
export function signsFrom(roots: readonly RootTimes[], haste: Haste, now: number): number {
  const present = signing(roots, now);
  return haste === 'now' || !present ? now : now + overlapMs(present.leafLifeMs);
}

/** Whether a new root is due by itself, as the one that signs comes near its end. */
export function due(roots: readonly RootTimes[], now: number): Haste | undefined {
  const found = standings(roots, now);
  if (found.some(({ state }) => state === 'next')) return undefined;
  const present = found.find(({ state }) => state === 'signing')?.root;
  if (!present) return 'now';
  const left = present.expiresAt - now;
  if (left <= overlapMs(present.leafLifeMs)) return 'now';
  return left < (present.expiresAt - present.madeAt) / 2 ? 'soon' : undefined;
}

/** The roots when the one that waits begins now. */
export function hastened<R extends RootTimes>(roots: readonly R[], now: number): readonly R[] {
  return roots.map((root) => (root.signsFrom > now ? { ...root, signsFrom: now } : root));
}

/** The roots when leaves are to live so long from now on: no root forgets a longer life. */
export function withLife<R extends RootTimes>(
  roots: readonly R[],
  leafLifeMs: number,
): readonly R[] {
  return roots.map((root) => (root.leafLifeMs < leafLifeMs ? { ...root, leafLifeMs } : root));
}
