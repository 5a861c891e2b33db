/** What must be true of the belief in a registry, whatever the sequence of events. */
import { expect } from 'chai';
import fc from 'fast-check';
import { Belief } from '../../../src/fleet/belief.js';
import { registration, report } from './registered.js';

const limits = { share: 0.5, least: 5, holdMs: 30_000 };
const windowMs = 10_000;
const count = 12;
const pool = Array.from({ length: count }, (_, index) =>
  registration({ name: `service-${index}`, id: String(index), port: 4000 + index }),
);
const ids = pool.map(({ id }) => id);

type Event =
  | { readonly kind: 'names'; readonly which: readonly string[] }
  | { readonly kind: 'heard' | 'lost' | 'accept' }
  | { readonly kind: 'waits'; readonly ms: number };

/** Losses of many at once and of a few; pauses within the window, within the hold, and longer. */
const events: fc.Arbitrary<readonly Event[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('names'), which: fc.subarray(ids) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('names'), which: fc.constant(ids) }) },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('waits'), ms: fc.nat(12_000) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('waits'), ms: fc.nat(60_000) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('lost', 'heard', 'accept') }) },
  ),
  { maxLength: 40 },
);

/** What is known of one instance without looking into the belief. */
interface Seen {
  namedAt: number;
  /** Its going was accepted. */
  isAccepted: boolean;
  /** Told as held when last looked at. */
  wasHeld: boolean;
}

class Trial {
  readonly #belief = new Belief(undefined, limits);
  readonly #seen = new Map<string, Seen>(
    ids.map((id) => [id, { namedAt: 0, isAccepted: false, wasHeld: false }]),
  );
  #named: readonly string[] = ids;
  /** How many were named whenever it was looked at. */
  readonly #counts: { readonly named: number; readonly at: number }[] = [];
  #now = 0;
  #state = 'heard';
  /** Heard without a break since. */
  #heardSince = 0;

  constructor() {
    this.#belief.report(report('consul', pool));
    this.#belief.hearing('heard', 0);
    this.#look();
  }

  play(event: Event): void {
    if (event.kind === 'waits') this.#now += event.ms;
    else if (event.kind === 'accept') this.#accept();
    else if (event.kind === 'names') this.#name(event.which);
    else {
      if (event.kind === 'heard' && this.#state !== 'heard') this.#heardSince = this.#now;
      this.#state = event.kind;
      this.#belief.hearing(event.kind, this.#now);
    }
    this.#look();
  }

  #name(which: readonly string[]): void {
    this.#named = which;
    const registrations = pool.filter(({ id }) => which.includes(id));
    this.#belief.report(report('consul', registrations));
  }

  #accept(): void {
    this.#belief.accept();
    for (const [id, seen] of this.#seen) {
      seen.wasHeld = false;
      seen.isAccepted = !this.#named.includes(id);
    }
  }

  #look(): void {
    const believed = this.#belief.believed(this.#now)?.registrations ?? [];
    const served = new Set(believed.map(({ id }) => id));
    expect(served.size, 'nothing twice').to.equal(believed.length);
    const missing = ids.filter((id) => !this.#named.includes(id));
    for (const id of this.#named) expect(served.has(id), `${id} is named`).to.equal(true);
    if (this.#state === 'heard') this.#judge(served, missing);
    const held = new Set(this.#belief.held?.registrations.map(({ id }) => id));
    for (const [id, seen] of this.#seen) {
      seen.wasHeld = held.has(id) && this.#state === 'heard';
      if (!this.#named.includes(id)) continue;
      seen.namedAt = this.#now;
      seen.isAccepted = false;
    }
    this.#counts.push({ named: this.#named.length, at: this.#now });
  }

  #judge(served: ReadonlySet<string>, missing: readonly string[]): void {
    const namedSince = (ms: number) => (id: string) =>
      this.#now - (this.#seen.get(id)?.namedAt ?? 0) < ms;
    const recent = missing
      .filter(namedSince(windowMs))
      .filter((id) => this.#seen.get(id)?.isAccepted === false);
    const inWindow = this.#counts.filter(({ at }) => this.#now - at < windowMs);
    const peak = Math.max(0, ...inWindow.map(({ named }) => named));
    const loss = Math.min(recent.length, peak - this.#named.length);
    const isSudden = loss >= limits.least && loss > limits.share * peak;
    if (isSudden)
      for (const id of recent) expect(served.has(id), `${id} went in a sudden loss`).to.equal(true);
    for (const id of missing) {
      if (this.#seen.get(id)?.wasHeld && namedSince(limits.holdMs)(id))
        expect(served.has(id), `${id} is held for its time`).to.equal(true);
      const isOld = !namedSince(limits.holdMs)(id) && this.#now - this.#heardSince >= limits.holdMs;
      if (isOld) expect(served.has(id), `${id} has long been gone`).to.equal(false);
    }
  }
}

describe('the belief in a registry, whatever happens', () => {
  it('serves what is named, holds a sudden loss, and nothing for ever', () => {
    fc.assert(
      fc.property(events, (schedule) => {
        const trial = new Trial();
        for (const event of schedule) trial.play(event);
      }),
      { numRuns: 500 },
    );
  });

  it('serves all that was served while a registry is lost', () => {
    fc.assert(
      fc.property(fc.array(fc.subarray(ids)), (reports) => {
        const belief = new Belief(undefined, limits);
        belief.report(report('consul', pool));
        belief.hearing('heard', 0);
        belief.believed(0);
        belief.hearing('lost', 0);
        reports.forEach((which, index) => {
          belief.report(
            report(
              'consul',
              pool.filter(({ id }) => which.includes(id)),
            ),
          );
          expect(belief.believed(index * 60_000)?.registrations).to.have.lengthOf(count);
        });
      }),
    );
  });
});
