/**
 * What an xDS server must get right, point by point. A test says which points
 * it proves by naming them in its title: `(point 7)`, `(points 19, 20)`.
 * Points that other rooms keep name the test there.
 */

/** A test of another room, found by its title. */
interface Elsewhere {
  readonly file: string;
  readonly title: string;
}

interface Point {
  readonly text: string;
  readonly elsewhere?: Elsewhere;
  /** Why there is no test yet. Remove it with the first test that names the point. */
  readonly missing?: string;
}

const elsewhere = (text: string, file: string, title: string): Point => ({
  text,
  elsewhere: { file: `test/${file}.test.ts`, title },
});

export const checklist: Readonly<Record<number, Point>> = {
  1: { text: 'a type URL is required; an unknown one leaves the stream open' },
  2: { text: 'the node is taken from the first request; another id later is refused' },
  3: { text: 'an empty first subscription means all; after a name, an empty list means nothing' },
  4: { text: 'an explicit `*`, beside names, and taken back' },
  5: { text: 'unsubscribing a name under the wildcard is answered' },
  6: { text: 'other unsubscriptions are not; of what was never asked neither' },
  7: { text: 'a name asked for again is sent again' },
  8: { text: 'a name that does not exist is told so, and stays subscribed' },
  9: { text: 'incremental: subscriptions count with a stale nonce' },
  10: { text: 'state of the world: a stale nonce gets no response; the newest request wins' },
  11: { text: 'state of the world: clusters and listeners whole, endpoints and routes in part' },
  12: { text: 'no name twice in a response, and none that was not asked for' },
  13: { text: 'the first wildcard request is answered even with nothing' },
  14: { text: 'versions are hashes of deterministic bytes' },
  15: { text: 'a reconnect with versions re-sends nothing that is held' },
  16: { text: 'nonces are unique within a stream; those of earlier streams do no harm' },
  17: { text: 'no change of content, no push' },
  18: { text: 'endpoints never before their cluster' },
  19: { text: 'listeners and routes wait for the clusters and endpoints they lead to' },
  20: { text: 'clusters go after the last that named them' },
  21: { text: 'what belongs to a changed cluster or listener is sent again after it' },
  22: { text: 'every EDS cluster has an assignment' },
  23: { text: 'what waits, waits for what it needs and for nothing else' },
  24: { text: 'a step of weights or versions drops no call through a real Envoy' },
  25: { text: 'routes name only clusters of the snapshot' },
  26: { text: 'refused bytes are never sent again on that stream; different ones at once' },
  27: { text: 'a refusal is seen: metric, API, node, type, names, words, time' },
  28: { text: 'a mended input mends the proxy without a restart' },
  29: { text: 'a fresh proxy never gets bytes known to be refused' },
  30: { text: 'one bad resource keeps back no other' },
  31: { text: 'at most one response of a type awaits its answer; changes meanwhile are merged' },
  32: { text: 'a slow or faulty client delays no other' },
  33: { text: 'late answers are shown; half-open peers are found' },
  34: { text: 'a storm of changes makes few pushes' },
  35: { text: 'a storm of connections is admitted at a rate' },
  36: elsewhere(
    'nothing is served before every registry was heard',
    'unit/pipeline/pipeline',
    'publishes nothing until every registry was heard',
  ),
  37: elsewhere(
    'a registry that is lost changes nothing',
    'unit/pipeline/pipeline',
    'keeps the last report of a registry that is lost',
  ),
  38: elsewhere(
    'a registry that comes back empty empties nothing at once',
    'unit/fleet/belief',
    'holds what it held, however few, then believes it',
  ),
  39: { text: 'a stop is announced, spread and bounded; connections have an age' },
  40: { text: 'limits count what is really connected' },
  41: { text: 'mTLS: the certificate says which node may speak; secrets go to their owner' },
  42: { text: 'no bytes of resources in logs, status or metrics' },
  43: { text: 'a closed stream leaves nothing behind' },
};
