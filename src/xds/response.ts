/**
 * Responses of both variants as bytes. A protobuf message may be joined from
 * pieces, so each resource is encoded once, whatever the number of streams;
 * and what several streams are to hear is one response, encoded once.
 */
import { PersistentMap } from '../persistent_map.js';
import { encode } from '../protos.js';
import { typeUrls, type Resource, type ResourceKind } from '../snapshot/snapshot.js';
import type { Draft, Numbering, Response } from './delivery.js';
import type { Variant } from './subscription.js';

/** More of them are only remembered while streams differ much; then sharing gains nothing. */
const sharedAtMost = 64;
/** Nor more than this, in letters of names: a client may ask for what never was, at length. */
const sharedLetters = 4 * 1024 * 1024;

/** One counter for all streams: a nonce of another stream fits only where the bytes do. */
export function sharedNumbering(): Numbering {
  const shared = new Map<string, Response>();
  let count = 0;
  let letters = 0;
  const forget = (key: string): void => {
    if (shared.delete(key)) letters -= key.length;
  };
  let last: Response | undefined;
  return (draft, after) => {
    if (last && last.number > after && saysTheSame(last, draft)) return last;
    const key = keyOf(draft);
    const known = key === undefined ? undefined : shared.get(key);
    if (known && known.number > after) return known;
    const number = ++count;
    const response = { ...draft, number, nonce: number.toString(36) };
    last = response;
    if (key === undefined) return response;
    forget(key);
    shared.set(key, response);
    letters += key.length;
    for (const oldest of shared.keys()) {
      if (shared.size <= sharedAtMost && letters <= sharedLetters) break;
      forget(oldest);
    }
    return response;
  };
}

/** As one change goes to all, most are to hear what the one before them heard. */
function saysTheSame(one: Draft, other: Draft): boolean {
  if (one.kind !== other.kind || one.variant !== other.variant) return false;
  if (one.version !== other.version || one.own || other.own) return false;
  if (one.content === other.content) return true;
  if (one.content.size !== other.content.size) return false;
  for (const name of other.content.keys()) if (!one.content.has(name)) return false;
  return true;
}

/** Within one snapshot the names tell the content. */
function keyOf({ variant, kind, version, content, own }: Draft): string | undefined {
  if (own) return undefined;
  if (content instanceof PersistentMap) return `${variant} ${kind} ${version} *`;
  return `${variant} ${kind} ${version} ${[...content.keys()].join('\0')}`;
}

const encoded = new WeakMap<Response, Buffer>();

export function encodeResponse(response: Response): Buffer {
  const known = encoded.get(response);
  if (known) return known;
  const bytes = Buffer.concat(forms[response.variant](response));
  encoded.set(response, bytes);
  return bytes;
}

const forms: Readonly<Record<Variant, (response: Response) => Buffer[]>> = {
  incremental({ kind, nonce, version, content }) {
    const head = encode('envoy.service.discovery.v3.DeltaDiscoveryResponse', {
      type_url: typeUrls[kind],
      nonce,
      system_version_info: version,
      removed_resources: [...content].filter(([, present]) => !present).map(([name]) => name),
    });
    return [head, ...presentIn(content.values()).map((each) => versionedPiece(kind, each))];
  },
  'state of the world'({ kind, nonce, version, content, whole }) {
    const head = encode('envoy.service.discovery.v3.DiscoveryResponse', {
      type_url: typeUrls[kind],
      nonce,
      version_info: version,
    });
    return [head, ...presentIn((whole ?? content).values()).map((each) => barePiece(kind, each))];
  },
};

const presentIn = (resources: Iterable<Resource | undefined>): Resource[] =>
  [...resources].filter((resource) => resource !== undefined);

const versionedPiece = remembered((kind, { name, version, bytes }) => {
  const any = { type_url: typeUrls[kind], value: bytes };
  return encode('envoy.service.discovery.v3.DeltaDiscoveryResponse', {
    resources: [{ name, version, resource: any }],
  });
});

const barePiece = remembered((kind, { bytes }) =>
  encode('envoy.service.discovery.v3.DiscoveryResponse', {
    resources: [{ type_url: typeUrls[kind], value: bytes }],
  }),
);

function remembered(make: (kind: ResourceKind, resource: Resource) => Buffer) {
  const pieces = new WeakMap<Resource, Buffer>();
  return (kind: ResourceKind, resource: Resource): Buffer => {
    const known = pieces.get(resource);
    if (known) return known;
    const piece = make(kind, resource);
    pieces.set(resource, piece);
    return piece;
  };
}
