/** Requests of both variants as they come from the wire, checked before anything acts on them. */
import { reasonOf } from '../errors.js';
import { decode, type Output } from '../protos.js';
import { audienceOf } from '../snapshot/audience.js';
import { resourceKinds, typeUrls, type ResourceKind } from '../snapshot/snapshot.js';
import type { Verdict } from './delivery.js';
import { eachField } from './fields.js';
import type { Identity } from './nodes.js';
import type { Variant, WholeWish, Wish } from './subscription.js';

export type Refusal = 'invalid' | 'identity' | 'too much';

/** What is wrong with a request, for the client alone. */
export class InvalidRequest extends Error {
  constructor(
    message: string,
    readonly because: Refusal = 'invalid',
  ) {
    super(message);
  }
}

export interface Request {
  readonly node: Node | undefined;
  /** Undefined: a type that is not delivered here. */
  readonly kind: ResourceKind | undefined;
  readonly typeUrl: string;
  readonly wish: Wish | WholeWish;
  readonly verdict: Verdict;
  /** Envoy's words about a refused response. */
  readonly complaint: string | undefined;
}

type Node = Output<'envoy.config.core.v3.Node'>;

/** Whatever a client says of itself is kept while it is connected. */
const longestText = 256;
const longestName = 512;
/** Of Envoy's words about what it refuses. */
const longestComplaint = 4_000;

const kindByUrl: ReadonlyMap<string, ResourceKind> = new Map(
  resourceKinds.map((kind) => [typeUrls[kind], kind]),
);

/** Reads a request, or recognises one: Envoys that are in step send the very same bytes. */
export function readRequest(variant: Variant, bytes: Buffer): Request {
  const known = recent.findIndex((each) => each.variant === variant && each.bytes.equals(bytes));
  const found = recent[known];
  if (found) {
    if (known > 0) recent.splice(known, 1);
    if (known > 0) recent.unshift(found);
    return found.request;
  }
  const request = parsed(variant, bytes);
  if (bytes.length <= longestRemembered && !request.node) {
    recent.unshift({ variant, bytes: Buffer.from(bytes), request });
    recent.length = Math.min(recent.length, remembered);
  }
  return request;
}

/** As many as there are answers on their way at a time, or subscriptions to the same names. */
const remembered = 16;
const longestRemembered = 64 * 1024;
const recent: { variant: Variant; bytes: Buffer; request: Request }[] = [];

function parsed(variant: Variant, bytes: Buffer): Request {
  const { message, read, numbers } = forms[variant];
  try {
    const fields = collect(bytes);
    const typeUrl = fields.text(numbers.typeUrl);
    if (typeUrl === '') throw new InvalidRequest('type_url is required on an aggregated stream');
    const node = fields.bytes(numbers.node);
    const detail = fields.bytes(numbers.errorDetail);
    return {
      node: node && decode('envoy.config.core.v3.Node', node),
      kind: kindByUrl.get(typeUrl),
      typeUrl,
      wish: read(fields),
      verdict: { nonce: fields.text(numbers.nonce), refused: detail !== undefined },
      complaint: detail && collect(detail).text(2, longestComplaint).trim(),
    };
  } catch (error) {
    if (error instanceof InvalidRequest) throw error;
    throw new InvalidRequest(
      `this is no ${message}, which is what this stream takes: ${reasonOf(error)}. Look whether ` +
        'it is an Envoy that opened it, with the api_type of `mcpx bootstrap`',
    );
  }
}

interface Fields {
  /** Of at most so many bytes: the rest is not read, and not kept either. */
  text(number: number, longest?: number): string;
  names(number: number): readonly string[];
  /** Of the last field of this number. */
  bytes(number: number): Buffer | undefined;
  /** Entries of a map of texts. */
  pairs(number: number): ReadonlyMap<string, string>;
}

interface Form {
  readonly message: string;
  /** Of the fields that both variants have. */
  readonly numbers: Readonly<Record<'node' | 'typeUrl' | 'nonce' | 'errorDetail', number>>;
  readonly read: (fields: Fields) => Wish | WholeWish;
}

const forms: Readonly<Record<Variant, Form>> = {
  incremental: {
    message: 'DeltaDiscoveryRequest',
    numbers: { node: 1, typeUrl: 2, nonce: 6, errorDetail: 7 },
    read: (fields) => ({
      subscribe: fields.names(3),
      unsubscribe: fields.names(4),
      held: fields.pairs(5),
    }),
  },
  'state of the world': {
    message: 'DiscoveryRequest',
    numbers: { node: 2, typeUrl: 4, nonce: 5, errorDetail: 6 },
    read: (fields) => ({ names: fields.names(3), returning: fields.text(1) !== '' }),
  },
};

type Place = readonly [from: number, to: number];

const nowhere: readonly Place[] = [];

function collect(message: Buffer): Fields {
  const found = new Map<number, Place[]>();
  eachField(message, (number, from, to) => {
    const earlier = found.get(number);
    if (earlier) earlier.push([from, to]);
    else found.set(number, [[from, to]]);
  });
  const all = (number: number) => found.get(number) ?? nowhere;
  const bytes = (number: number) => {
    const last = all(number).at(-1);
    return last && message.subarray(...last);
  };
  return {
    bytes,
    text: (number, longest) => bytes(number)?.subarray(0, longest).toString() ?? '',
    names: (number) => all(number).map((place) => nameAt(message, place)),
    pairs: (number) => new Map(all(number).map((place) => pairAt(message, place))),
  };
}

function pairAt(message: Buffer, [from, to]: Place): [string, string] {
  const pair: [string, string] = ['', ''];
  const see = (number: number, ...place: Place) => {
    if (number <= 2) pair[number - 1] = nameAt(message, place);
  };
  eachField(message, see, from, to);
  return pair;
}

function nameAt(message: Buffer, [from, to]: Place): string {
  if (to - from <= longestName) return message.toString('utf8', from, to);
  throw new InvalidRequest(`a name has more than ${longestName} bytes`, 'too much');
}

/** Who speaks: the first request of a stream has to say it. */
export function identityOf(node: Node | undefined, address: string): Identity {
  if (!node?.id)
    throw new InvalidRequest('the first request must carry node.id: set node.id in the bootstrap');
  const { id, cluster = '' } = node;
  const said = (key: string) => node.metadata?.fields?.[key]?.stringValue;
  const texts = Object.entries({
    ...{ id, cluster, user_agent_version: node.user_agent_version },
    ...{ 'metadata.role': said('role'), 'metadata.service': said('service') },
    ...{ 'metadata.inbound': said('inbound'), 'metadata.outbound': said('outbound') },
  });
  for (const [name, text = ''] of texts)
    if (text.length > longestText)
      throw new InvalidRequest(`node.${name} has more than ${longestText} characters`);
  const found = audienceOf({
    ...{ role: said('role'), service: said('service') },
    ...{ inbound: said('inbound'), outbound: said('outbound') },
  });
  if ('complaint' in found)
    throw new InvalidRequest(`node.metadata is not served here: it must ${found.complaint}`);
  return { id, cluster, version: versionOf(node), role: found.audience, address };
}

function versionOf(node: Node): string {
  const version = node.user_agent_build_version?.version;
  if (!version) return node.user_agent_version ?? '';
  const { major_number = 0, minor_number = 0, patch = 0 } = version;
  return `${major_number}.${minor_number}.${patch}`;
}
