import { expect } from 'chai';
import type { EncodedResources, ResourceKind } from '../../../src/snapshot/snapshot.js';
import { changesBetween } from '../../../src/xds/changes.js';
import { Delivery } from '../../../src/xds/delivery.js';
import { sharedNumbering } from '../../../src/xds/response.js';
import {
  assignment,
  edsCluster,
  listener,
  routes,
  secret,
  snapshotOf,
} from '../snapshot/messages.js';

const makers = {
  cluster: edsCluster,
  endpoint: assignment,
  listener: (name: string, mark = 0) => listener(name, name, { mark }),
  secret: (name: string, mark = 0) => secret(name, `key ${mark}`),
  route: (name: string, mark = 0) => routes(name, [], mark),
};

/** A client of one type that says exactly what the test says, over resources named by letters. */
class Client {
  nonce = '';
  #snapshot;
  readonly #delivery: Delivery;

  constructor(
    private readonly kind: ResourceKind,
    names: string,
  ) {
    this.#snapshot = this.#make(names, '', 0);
    this.#delivery = new Delivery('state of the world', sharedNumbering(), this.#snapshot);
  }

  /** Names all it wants, and gives what comes back: `a b`; undefined: nothing. */
  says(names: string, nonce = this.nonce, returning = false): string | undefined {
    const wish = { names: words(names), returning };
    this.#delivery.receive(this.kind, wish, { nonce, refused: false });
    return this.#next();
  }

  refuses(names: string): string | undefined {
    const wish = { names: words(names), returning: false };
    this.#delivery.receive(this.kind, wish, { nonce: this.nonce, refused: true });
    return this.#next();
  }

  /** `names` exist now; `changed` of them look different from before. */
  sees(names: string, changed = '', mark = 1): string | undefined {
    const next = this.#make(names, changed, mark);
    this.#delivery.publish(next, changesBetween(this.#snapshot, next));
    this.#snapshot = next;
    return this.#next();
  }

  #make(names: string, changed: string, mark: number) {
    const marked = words(changed);
    const messages = words(names).map((name) =>
      makers[this.kind](name, marked.includes(name) ? 10 + mark : 1),
    );
    const parts: Partial<EncodedResources> = { [this.kind]: messages };
    return snapshotOf(parts);
  }

  #next(): string | undefined {
    const [response, ...more] = this.#delivery.responses();
    expect(more, 'at most one response').to.be.empty;
    if (!response) return undefined;
    this.nonce = response.nonce;
    if (response.whole) return [...response.whole.keys()].sort().join(' ');
    expect([...response.content.values()], 'nothing that is gone').to.not.include(undefined);
    return [...response.content.keys()].sort().join(' ');
  }
}

const words = (text: string) => text.split(' ').filter((word) => word !== '');

describe('the state of the world', () => {
  for (const kind of ['cluster', 'listener'] as const)
    describe(`of ${kind}s`, () => {
      it('is all of them with every change, unchanged ones too (point 11)', () => {
        const client = new Client(kind, 'a b');
        expect(client.says('')).to.equal('a b');
        expect(client.says('')).to.equal(undefined);
        expect(client.sees('a b c', 'a')).to.equal('a b c');
      });

      it('leaves out what is gone, down to nothing at all (points 11, 13)', () => {
        const client = new Client(kind, 'a b');
        client.says('');
        client.says('');
        expect(client.sees('b')).to.equal('b');
        client.says('');
        expect(client.sees('')).to.equal('');
      });

      it('is told the first time even when there is nothing (point 13)', () => {
        const client = new Client(kind, '');
        expect(client.says('')).to.equal('');
        expect(client.says('')).to.equal(undefined);
      });

      it('is told to one who comes back, complete (point 11)', () => {
        expect(new Client(kind, 'a b').says('', 'of an earlier stream', true)).to.equal('a b');
      });

      it('is of the named, as soon as some are named (points 3, 12)', () => {
        const client = new Client(kind, 'a b c');
        client.says('');
        expect(client.says('a b')).to.equal('a b');
        expect(client.says('b')).to.equal(undefined);
        expect(client.sees('a b c', 'a')).to.equal(undefined);
        expect(client.sees('a b c', 'b')).to.equal('b');
        client.says('b');
        expect(client.says('')).to.equal(undefined);
        expect(client.sees('a b c', 'a b c', 2), 'an empty list is nothing now').to.equal(
          undefined,
        );
      });

      it('answers one who names what does not exist, and tells of it later (point 8)', () => {
        const client = new Client(kind, 'a');
        expect(client.says('z')).to.equal('');
        expect(client.says('z')).to.equal(undefined);
        expect(client.sees('a z')).to.equal('z');
      });

      it('keeps the last good of a refused one among all others (points 26, 30)', () => {
        const client = new Client(kind, 'a b');
        client.says('');
        client.says('');
        expect(client.sees('a b', 'a')).to.equal('a b');
        expect(client.refuses('')).to.equal(undefined);
        expect(client.sees('a b c', 'a')).to.equal('a b c');
        client.says('');
        expect(client.sees('a b c', 'a', 2)).to.equal('a b c');
      });
    });

  for (const kind of ['endpoint', 'secret', 'route'] as const)
    describe(`of ${kind}s`, () => {
      it('is only what changed of the named (points 11, 12)', () => {
        const client = new Client(kind, 'a b c');
        expect(client.says('a b')).to.equal('a b');
        expect(client.says('a b')).to.equal(undefined);
        expect(client.sees('a b c', 'a c')).to.equal('a');
      });

      it('brings a new name alone, and no reply for one that is dropped (points 6, 11)', () => {
        const client = new Client(kind, 'a b');
        client.says('a');
        expect(client.says('a b')).to.equal('b');
        client.says('a b');
        expect(client.says('b')).to.equal(undefined);
        expect(client.sees('a b', 'a')).to.equal(undefined);
      });

      it('says nothing of what is gone, and tells when it is back (points 8, 11)', () => {
        const client = new Client(kind, 'a b');
        client.says('a b z');
        client.says('a b z');
        expect(client.sees('b')).to.equal(undefined);
        expect(client.sees('a b', 'a')).to.equal('a');
        client.says('a b z');
        expect(client.sees('a b z', 'a')).to.equal('z');
      });

      it('brings a name again that was dropped and taken up, at the same version (point 7)', () => {
        const client = new Client(kind, 'a');
        client.says('a');
        client.says('a');
        client.says('');
        expect(client.says('a')).to.equal('a');
      });
    });

  describe('and nonces', () => {
    it('gets no response for a stale one; the newest request counts (point 10)', () => {
      const client = new Client('endpoint', 'a b c');
      client.says('a');
      const stale = client.nonce;
      client.says('a');
      expect(client.sees('a b c', 'a')).to.equal('a');
      expect(client.says('a b', stale)).to.equal(undefined);
      expect(client.sees('a b c', 'a b'), 'it did not subscribe').to.equal(undefined);
      expect(client.says('a c')).to.equal('c');
    });

    it('does not take a stale request for an acknowledgement (points 10, 31)', () => {
      const client = new Client('cluster', 'a');
      client.says('');
      const first = client.nonce;
      client.says('');
      client.sees('a', 'a', 1);
      expect(client.sees('a', 'a', 2)).to.equal(undefined);
      expect(client.says('', first)).to.equal(undefined);
      expect(client.says('')).to.equal('a');
    });
  });
});
