/**
 * Responses as bytes. A protobuf message may be joined from pieces, so each
 * resource is encoded once, whatever the number of streams, and a response is
 * the pieces it needs.
 */
import { encode } from '../protos.js';
import { typeUrls, type Resource, type ResourceKind } from '../snapshot/snapshot.js';
import type { Response } from './delivery.js';

const message = 'envoy.service.discovery.v3.DeltaDiscoveryResponse';
const pieces = new WeakMap<Resource, Buffer>();

export function encodeIncremental({ kind, nonce, version, content }: Response): Buffer {
  const present = [...content.values()].filter((resource) => resource !== undefined);
  const head = encode(message, {
    type_url: typeUrls[kind],
    nonce,
    system_version_info: version,
    removed_resources: [...content].filter(([, gone]) => !gone).map(([name]) => name),
  });
  return Buffer.concat([head, ...present.map((resource) => pieceOf(kind, resource))]);
}

function pieceOf(kind: ResourceKind, resource: Resource): Buffer {
  const known = pieces.get(resource);
  if (known) return known;
  const { name, version, bytes } = resource;
  const any = { type_url: typeUrls[kind], value: bytes };
  const piece = encode(message, { resources: [{ name, version, resource: any }] });
  pieces.set(resource, piece);
  return piece;
}
