import { expect } from 'chai';
import fc from 'fast-check';
import {
  due,
  hastened,
  known,
  overlapMs,
  signing,
  signsFrom,
  standings,
  withLife,
  type RootTimes,
} from '../../../src/certificates/rotation.js';
import { renewAt } from '../../../src/certificates/renewal.js';

interface Root extends RootTimes {
  readonly name: number;
}

const life = 1_000;
const rootLife = 100_000;
const rootAt = (name: number, madeAt: number, from: number): Root => ({
  ...{ name, madeAt, expiresAt: madeAt + rootLife, signsFrom: from, leafLifeMs: life },
});

const statesOf = (roots: readonly Root[], now: number) =>
  standings(roots, now).map(({ root, state }) => `${root.name} ${state}`);

/** What may happen to an authority, and how long after what happened before. */
const happenings = fc.array(
  fc.record({
    afterMs: fc.integer({ min: 0, max: 3 * life }),
    what: fc.constantFrom('look', 'soon', 'now', 'sign', 'forget', 'longer life', 'shorter life'),
  }),
  { minLength: 1, maxLength: 60 },
);

interface Leaf {
  readonly root: number;
  readonly endsAt: number;
}

/** An authority as its keeper drives it, and every leaf it ever signed. */
class Story {
  now = 0;
  lifeMs = life;
  roots: readonly Root[] = [rootAt(0, 0, 0)];
  readonly leaves: Leaf[] = [];
  readonly trustedSince = new Map([[0, 0]]);
  readonly began = new Map<number, 'soon' | 'now'>();

  rotate(haste: 'soon' | 'now'): void {
    const present = standings(this.roots, this.now);
    const next = present.find(({ state }) => state === 'next')?.root;
    if (next) {
      if (haste === 'now') this.began.set(next.name, 'now');
      if (haste === 'now') this.roots = hastened(this.roots, this.now);
      return;
    }
    const name = this.trustedSince.size;
    const from = signsFrom(this.roots, haste, this.now);
    this.roots = [
      ...present.map(({ root }) => root),
      { ...rootAt(name, this.now, from), leafLifeMs: this.lifeMs },
    ];
    this.trustedSince.set(name, this.now);
    this.began.set(name, haste);
  }

  sign(): void {
    const root = signing(this.roots, this.now);
    if (!root) throw new Error('somebody always signs');
    const endsAt = Math.min(this.now + this.lifeMs, root.expiresAt);
    if (endsAt > this.now) this.leaves.push({ root: root.name, endsAt });
  }

  live(lifeMs: number): void {
    this.lifeMs = lifeMs;
    this.roots = withLife(this.roots, lifeMs);
  }

  happens(what: string): void {
    if (what === 'soon' || what === 'now') this.rotate(what);
    if (what === 'longer life') this.live(this.lifeMs * 2);
    if (what === 'shorter life') this.live(Math.max(10, this.lifeMs / 3));
    if (what === 'sign') this.sign();
    if (what === 'forget') this.roots = standings(this.roots, this.now).map(({ root }) => root);
    const haste = due(this.roots, this.now);
    if (haste) this.rotate(haste);
  }
}

/** Checks after everything that happens. */
function inEveryStory(
  numRuns: number,
  check: (told: Story) => void,
  isPlayed: (what: string) => boolean = () => true,
): void {
  fc.assert(
    fc.property(happenings, (story) => {
      const told = new Story();
      for (const { afterMs, what } of story.filter((each) => isPlayed(each.what))) {
        told.now += afterMs;
        told.happens(what);
        check(told);
      }
    }),
    { numRuns },
  );
}

describe('rotation of roots', () => {
  it('goes from next to signing to retiring to gone', () => {
    const roots = [rootAt(1, 0, 0), rootAt(2, 5_000, 5_500)];
    expect(statesOf(roots, 5_499)).to.deep.equal(['1 signing', '2 next']);
    expect(statesOf(roots, 5_500)).to.deep.equal(['1 retiring', '2 signing']);
    expect(statesOf(roots, 6_499)).to.deep.equal(['1 retiring', '2 signing']);
    expect(statesOf(roots, 6_500)).to.deep.equal(['2 signing']);
  });

  it('says since when and until when each is what it is', () => {
    const roots = [rootAt(1, 0, 0), rootAt(2, 5_000, 5_500)];
    const times = (now: number) => standings(roots, now).map(({ since, until }) => [since, until]);
    expect(times(5_000)).to.deep.equal([
      [0, 5_500],
      [5_000, 5_500],
    ]);
    expect(times(6_000)).to.deep.equal([
      [5_500, 6_500],
      [5_500, undefined],
    ]);
  });

  it('signs with the first where the clock was set back before it', () => {
    expect(statesOf([rootAt(1, 500, 500)], 100)).to.deep.equal(['1 signing']);
  });

  it('gives whoever renews in time half a life to learn of a new one', () => {
    expect(signsFrom([rootAt(1, 0, 0)], 'soon', 2_000)).to.equal(2_500);
    expect(signsFrom([rootAt(1, 0, 0)], 'now', 2_000)).to.equal(2_000);
    const latest = renewAt({ notBefore: 0, expiresAt: life }, 0);
    expect(latest).to.be.lessThan(overlapMs(life));
  });

  it('is due by itself in the second half of a root’s life, and urgent when it ends', () => {
    const roots = [rootAt(1, 0, 0)];
    expect(due(roots, rootLife / 2)).to.equal(undefined);
    expect(due(roots, rootLife / 2 + 1)).to.equal('soon');
    expect(due(roots, rootLife - life / 2)).to.equal('now');
    expect(due([...roots, rootAt(2, 60_000, 60_500)], 60_001)).to.equal(undefined);
    expect(due([], 0)).to.equal('now');
  });

  it('never distrusts the root of a living leaf', () => {
    inEveryStory(2_000, (told) => {
      const trusted = new Set(standings(told.roots, told.now).map(({ root }) => root.name));
      const living = told.leaves.filter(({ endsAt }) => endsAt > told.now);
      for (const { root } of living) expect(trusted.has(root), `root ${root}`).to.equal(true);
    });
  });

  it('never signs with a root that was not trusted for half a life, unless it was urged', () => {
    const check = (told: Story) => {
      const { name = 0 } = signing(told.roots, told.now) ?? {};
      if (told.began.get(name) !== 'soon') return;
      const knownMs = told.now - (told.trustedSince.get(name) ?? told.now);
      expect(knownMs).to.be.at.least(overlapMs(life));
    };
    inEveryStory(1_000, check, (what) => !what.includes('life'));
  });

  it('always has one known to all who renew: trusted for half a life, or the oldest', () => {
    inEveryStory(1_000, (told) => {
      const found = known(told.roots, told.now);
      if (!found) throw new Error('somebody is always known');
      const [oldest] = standings(told.roots, told.now);
      const knownMs = told.now - found.root.madeAt;
      expect(found.state).not.to.equal('next');
      if (found.root !== oldest?.root)
        expect(knownMs).to.be.at.least(overlapMs(found.root.leafLifeMs));
    });
  });

  it('always has exactly one that signs', () => {
    inEveryStory(500, (told) => {
      const states = standings(told.roots, told.now).map(({ state }) => state);
      expect(states.filter((state) => state === 'signing')).to.have.length(1);
    });
  });
});
