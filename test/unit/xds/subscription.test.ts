import { expect } from 'chai';
import type { EncodedResource, ResourceKind } from '../../../src/snapshot/snapshot.js';
import { changesBetween } from '../../../src/xds/changes.js';
import { Delivery } from '../../../src/xds/delivery.js';
import { sharedNumbering } from '../../../src/xds/response.js';
import type { Wish } from '../../../src/xds/subscription.js';
import { assignment, edsCluster, snapshotOf } from '../snapshot/messages.js';

const makers = { cluster: edsCluster, endpoint: assignment };

/** A client of one type that says exactly what the test says, over resources named by letters. */
class Client {
  #nonce = '';
  #snapshot;
  readonly #delivery: Delivery;

  /** `names`: what exists, as `a b c`. */
  constructor(
    private readonly kind: 'cluster' | 'endpoint',
    names: string,
  ) {
    this.#snapshot = this.#make(names, 0);
    this.#delivery = new Delivery('incremental', sharedNumbering(), this.#snapshot);
  }

  /** Says something and gives what comes back: `+a` present, `-a` removed, undefined: nothing. */
  says(wish: Partial<Wish>, nonce = ''): string | undefined {
    const whole = { subscribe: [], unsubscribe: [], held: new Map<string, string>(), ...wish };
    this.#delivery.receive(this.kind, whole, { nonce, refused: false });
    return this.#next();
  }

  acknowledges(wish: Partial<Wish> = {}): string | undefined {
    return this.says(wish, this.#nonce);
  }

  refuses(): string | undefined {
    const wish = { subscribe: [], unsubscribe: [], held: new Map<string, string>() };
    this.#delivery.receive(this.kind, wish, { nonce: this.#nonce, refused: true });
    return this.#next();
  }

  /** `names` exist now; `changed` of them look different from before. */
  sees(names: string, changed = '', mark = 1): string | undefined {
    const next = this.#make(names, mark, changed);
    this.#delivery.publish(next, changesBetween(this.#snapshot, next));
    this.#snapshot = next;
    return this.#next();
  }

  version(name: string): string {
    return this.#snapshot.resources[this.kind].get(name)!.version;
  }

  get nonce(): string {
    return this.#nonce;
  }

  #make(names: string, mark: number, changed = '') {
    const marked = words(changed);
    const messages = words(names).map((name): EncodedResource =>
      makers[this.kind](name, marked.includes(name) ? 10 + mark : 1),
    );
    const parts: Partial<Record<ResourceKind, EncodedResource[]>> = { [this.kind]: messages };
    return snapshotOf(parts);
  }

  #next(): string | undefined {
    const [response, ...more] = this.#delivery.responses();
    expect(more, 'at most one response').to.be.empty;
    if (!response) return undefined;
    this.#nonce = response.nonce;
    const content = [...response.content].sort(([one], [other]) => (one < other ? -1 : 1));
    return content.map(([name, resource]) => `${resource ? '+' : '-'}${name}`).join(' ');
  }
}

const heldAs = (versions: Record<string, string>) => new Map(Object.entries(versions));
const words = (text: string) => text.split(' ').filter((word) => word !== '');
const clusters = (names: string) => new Client('cluster', names);
const endpoints = (names: string) => new Client('endpoint', names);

describe('subscription', () => {
  describe('to everything', () => {
    it('is what an empty first request means (point 3)', () => {
      expect(clusters('a b').says({})).to.equal('+a +b');
    });

    it('is what `*` means, for any type (point 4)', () => {
      expect(clusters('a b').says({ subscribe: ['*'] })).to.equal('+a +b');
      expect(endpoints('a b').says({ subscribe: ['*'] })).to.equal('+a +b');
    });

    it('is not meant by an empty first request for a type that is asked for by name', () => {
      expect(endpoints('a b').says({})).to.equal(undefined);
    });

    it('is answered the first time even when there is nothing (point 13)', () => {
      const client = clusters('');
      expect(client.says({})).to.equal('');
      expect(client.acknowledges()).to.equal(undefined);
    });

    it('continues beside an explicit name, each resource once (points 4, 12)', () => {
      const client = clusters('a b');
      expect(client.says({ subscribe: ['*', 'a', 'a'] })).to.equal('+a +b');
    });

    it('ends with an unsubscription of `*`, which keeps the names (point 4)', () => {
      const client = clusters('a b');
      client.says({ subscribe: ['*', 'a'] });
      expect(client.acknowledges({ unsubscribe: ['*'] })).to.equal(undefined);
      expect(client.sees('a b', 'a b')).to.equal('+a');
    });

    it('is nothing when the first request names `*` in both lists (point 4)', () => {
      const client = clusters('a b');
      expect(client.says({ subscribe: ['*'], unsubscribe: ['*'] })).to.equal(undefined);
      expect(client.sees('a b c', 'a')).to.equal(undefined);
    });

    it('is given whole again after it was ended and taken up again (point 7)', () => {
      const client = clusters('a b');
      client.says({});
      client.acknowledges({ unsubscribe: ['*'] });
      expect(client.says({ subscribe: ['*'] })).to.equal('+a +b');
    });

    it('answers the unsubscription of a name with what the wildcard has (point 5)', () => {
      const client = clusters('a b');
      client.says({ subscribe: ['*', 'a', 'z'] });
      client.acknowledges();
      expect(client.says({ unsubscribe: ['a'] })).to.equal('+a');
      client.acknowledges();
      expect(client.says({ unsubscribe: ['z'] })).to.equal('-z');
    });
  });

  describe('to names', () => {
    it('stays with the names when later requests have an empty list (point 3)', () => {
      const client = clusters('a b');
      expect(client.says({ subscribe: ['a'] })).to.equal('+a');
      expect(client.acknowledges()).to.equal(undefined);
      expect(client.sees('a b', 'b')).to.equal(undefined);
      expect(client.sees('a b', 'a')).to.equal('+a');
    });

    it('is nothing after the last name was unsubscribed (point 3)', () => {
      const client = clusters('a b');
      client.says({ subscribe: ['a'] });
      expect(client.acknowledges({ unsubscribe: ['a'] })).to.equal(undefined);
      expect(client.says({})).to.equal(undefined);
      expect(client.sees('a b c', 'a')).to.equal(undefined);
    });

    it('gets no reply to unsubscribing, nor to unsubscribing what it never had (point 6)', () => {
      const client = endpoints('a b');
      client.says({ subscribe: ['a', 'b'] });
      client.acknowledges();
      expect(client.says({ unsubscribe: ['b', 'never'] })).to.equal(undefined);
      expect(client.sees('a b', 'a b')).to.equal('+a');
    });

    it('is given again when named again, at the same version (point 7)', () => {
      const client = endpoints('a');
      client.says({ subscribe: ['a'] });
      client.acknowledges();
      expect(client.says({ subscribe: ['a'] })).to.equal('+a');
    });

    it('is given again when dropped and named while a response was out (point 7)', () => {
      const client = endpoints('a');
      client.says({ subscribe: ['a'] });
      client.says({ unsubscribe: ['a'] });
      client.says({ subscribe: ['a'] });
      expect(client.acknowledges()).to.equal('+a');
    });

    it('hears that a name does not exist, and hears of it when it does (point 8)', () => {
      const client = endpoints('a');
      expect(client.says({ subscribe: ['z'] })).to.equal('-z');
      expect(client.acknowledges()).to.equal(undefined);
      expect(client.sees('a z')).to.equal('+z');
    });

    it('changes with a request whose nonce is stale (point 9)', () => {
      const client = endpoints('a b');
      client.says({ subscribe: ['a'] });
      expect(client.says({ subscribe: ['b'] }, 'stale')).to.equal(undefined);
      expect(client.acknowledges()).to.equal('+b');
    });

    it('gets only what was named (point 12)', () => {
      expect(endpoints('a b c').says({ subscribe: ['b'] })).to.equal('+b');
    });
  });

  describe('versions and nonces', () => {
    it('gives every response a nonce of its own (point 16)', () => {
      const client = clusters('a');
      client.says({});
      const first = client.nonce;
      client.acknowledges();
      client.sees('a', 'a');
      expect(client.nonce).to.not.equal(first);
    });

    it('ignores the nonce of an earlier stream (point 16)', () => {
      expect(clusters('a').says({}, 'of an earlier stream')).to.equal('+a');
    });

    it('sends nothing when nothing changed, nor for an acknowledgement (point 17)', () => {
      const client = clusters('a b');
      client.says({});
      expect(client.acknowledges()).to.equal(undefined);
      expect(client.acknowledges()).to.equal(undefined);
      expect(client.sees('a b')).to.equal(undefined);
    });

    it('sends to one who comes back only what differs, and what is gone (point 15)', () => {
      const before = clusters('a b c');
      const held = heldAs({ a: before.version('a'), b: 'older', gone: 'x' });
      expect(before.says({ held })).to.equal('+b +c -gone');
    });

    it('sends nothing to one who comes back and has everything (point 15)', () => {
      for (const client of [clusters('a'), endpoints('a')]) {
        const held = heldAs({ a: client.version('a') });
        expect(client.says({ subscribe: ['a'], held })).to.equal(undefined);
      }
    });

    it('ignores what one who comes back holds and does not want', () => {
      expect(
        endpoints('a b').says({ subscribe: ['a'], held: heldAs({ b: 'x', z: 'x' }) }),
      ).to.equal('+a');
    });
  });

  describe('one response at a time', () => {
    it('merges what changes meanwhile into one response with the latest (point 31)', () => {
      const client = clusters('a b');
      client.says({});
      expect(client.sees('a b', 'a', 1)).to.equal(undefined);
      expect(client.sees('a c', 'a', 2)).to.equal(undefined);
      expect(client.acknowledges()).to.equal('+a -b +c');
    });

    it('sends nothing when a change was taken back before it was sent (point 17)', () => {
      const client = clusters('a');
      client.says({});
      client.sees('a', 'a');
      client.sees('a');
      expect(client.acknowledges()).to.equal(undefined);
    });

    it('sends the earlier form again when it came back while the later was out', () => {
      const client = clusters('a');
      client.says({});
      client.acknowledges();
      expect(client.sees('a', 'a')).to.equal('+a');
      expect(client.sees('a')).to.equal(undefined);
      expect(client.acknowledges()).to.equal('+a');
    });
  });

  describe('refusal', () => {
    it('waits for different bytes, which go at once (point 26)', () => {
      const client = clusters('a');
      client.says({});
      client.acknowledges();
      expect(client.sees('a', 'a', 1)).to.equal('+a');
      expect(client.refuses()).to.equal(undefined);
      expect(client.sees('a b', 'a', 1)).to.equal('+b');
      expect(client.acknowledges()).to.equal(undefined);
      expect(client.sees('a b', 'a', 2)).to.equal('+a');
    });

    it('of a first form is not repeated when that form comes back (point 26)', () => {
      const client = clusters('a');
      client.says({});
      client.refuses();
      expect(client.sees('a', 'a', 2)).to.equal('+a');
      client.acknowledges();
      expect(client.sees('a')).to.equal(undefined);
    });

    it('is over when the client itself asks for the name again', () => {
      const client = endpoints('a');
      client.says({ subscribe: ['a'] });
      client.refuses();
      expect(client.says({ subscribe: ['a'] })).to.equal('+a');
    });

    it('of several keeps back the culprit alone, found by halves (point 30)', () => {
      const client = clusters('a b c bad');
      expect(client.says({})).to.equal('+a +b +bad +c');
      expect(client.refuses()).to.equal('+a +b');
      expect(client.acknowledges()).to.equal('+bad +c');
      expect(client.refuses()).to.equal('+bad');
      expect(client.refuses()).to.equal('+c');
      expect(client.acknowledges()).to.equal(undefined);
      expect(client.sees('a b c bad', 'bad')).to.equal('+bad');
    });
  });
});
