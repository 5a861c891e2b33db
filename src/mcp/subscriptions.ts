/**
 * `subscriptions/listen` of a modern client: that lists changed, from the
 * catalogue, and that resources were updated, from their servers. Only services
 * whose resources were named are asked; one acknowledgement says what they took.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { listen } from '../mcp_client/listening.js';
import { isObject, metaKeys, modernRevision, type JsonObject } from '../mcp_wire.js';
import { callFailed, codes, type Answer } from './answer.js';
import { canSubscribe } from './capabilities.js';
import type { Request } from './classify.js';
import type { ClientStream } from './client_stream.js';
import { changedListNames, listChangedMethod, type ChangedList } from './list_changes.js';
import { offerOf, resourceAt, type Offer } from './offer.js';
import { pauseAfter } from './retry.js';
import type { State } from './state.js';

/** What a client wants to hear of. */
export interface Wanted {
  readonly lists: readonly ChangedList[];
  readonly uris: readonly string[];
}

const urisMax = 1_000;

export function readWanted({ params, idText }: Request): Wanted | Answer {
  const notifications = params['notifications'];
  const invalid = (message: string) => callFailed(codes.invalidParams, message)(idText);
  if (!isObject(notifications)) return invalid('params.notifications must say what is wanted');
  const uris: unknown = notifications['resourceSubscriptions'] ?? [];
  if (!Array.isArray(uris) || !uris.every((uri) => typeof uri === 'string'))
    return invalid('resourceSubscriptions must be a list of URIs');
  if (uris.length > urisMax) return invalid(`resourceSubscriptions may name ${urisMax} URIs`);
  const lists = changedListNames.filter((list) => notifications[`${list}ListChanged`] === true);
  return { lists, uris: [...new Set(uris)] };
}

/** A server that has not acknowledged by then is left out, and the acknowledgement says so. */
const acknowledgeMs = 2_000;

export async function serveListening(
  request: Request,
  { lists, uris }: Wanted,
  stream: ClientStream,
  state: State,
): Promise<void> {
  // The acknowledgement comes first: what happens before it waits.
  let early: string[] | undefined = [];
  const say = (method: string, params: JsonObject): void => {
    const message = stamped(method, params, request.idText);
    if (early === undefined) stream.send(message);
    else if (early.length < urisMax) early.push(message);
  };
  state.changes.listen(
    'modern',
    (changed) => {
      for (const list of lists) if (changed.includes(list)) say(listChangedMethod(list), {});
    },
    stream.ended,
  );
  const owners = ownersOf(uris, offerOf(state.catalogue.value.services));
  const taken = await Promise.all(
    [...owners].map(async ([service, theirs]) =>
      followInTime({ request, service, uris: theirs, say }, stream, state),
    ),
  );
  const honoured = uris.filter((uri) => taken.some((each) => each.has(uri)));
  const notifications = {
    ...Object.fromEntries(lists.map((list) => [`${list}ListChanged`, true])),
    ...(honoured.length > 0 && { resourceSubscriptions: honoured }),
  };
  const method = 'notifications/subscriptions/acknowledged';
  stream.send(stamped(method, { notifications }, request.idText));
  for (const message of early) stream.send(message);
  early = undefined;
  if (Object.keys(notifications).length === 0) endWith(request.idText, stream);
}

/** Who can say that these changed; what nobody can is left out. */
function ownersOf(uris: readonly string[], offer: Offer): ReadonlyMap<string, string[]> {
  const owners = new Map<string, string[]>();
  for (const uri of uris) {
    const service = resourceAt(offer, uri)?.service;
    if (service === undefined || !service.eras.includes('modern') || !canSubscribe(service))
      continue;
    const known = owners.get(service.name) ?? [];
    known.push(uri);
    owners.set(service.name, known);
  }
  return owners;
}

interface Following {
  readonly request: Request;
  readonly service: string;
  readonly uris: readonly string[];
  readonly say: (method: string, params: JsonObject) => void;
}

/** The URIs that the service acknowledged; none if it did not in time, and then it is let go. */
async function followInTime(
  following: Following,
  { ended }: ClientStream,
  state: State,
): Promise<ReadonlySet<string>> {
  const late = new AbortController();
  const signal = AbortSignal.any([ended, late.signal]);
  const acknowledged = new Promise<ReadonlySet<string>>((resolve) => {
    void follow(following, signal, state, resolve);
  });
  const none = sleep(acknowledgeMs, new Set<string>(), { signal }).catch(() => new Set<string>());
  const taken = await Promise.race([acknowledged, none]);
  if (taken.size === 0) late.abort();
  return taken;
}

const updated = 'notifications/resources/updated';
const steadyMs = 10_000;
let lastId = 0;

/** Until `signal` aborts, or it is refused before it ever was acknowledged. */
async function follow(
  { request, service, uris, say }: Following,
  signal: AbortSignal,
  { targetOf }: State,
  acknowledged: (uris: ReadonlySet<string>) => void,
): Promise<void> {
  const method = 'subscriptions/listen';
  const notifications = { resourceSubscriptions: uris };
  const params = { notifications, _meta: request.params['_meta'] };
  const headers = { 'mcp-protocol-version': modernRevision, 'mcp-method': method };
  let [failures, times] = [0, 0];
  while (!signal.aborted) {
    const startedAt = performance.now();
    await listen(
      targetOf(service),
      { message: { id: `mcpx-listen-${++lastId}`, method, params }, headers },
      {
        message({ method: said, params: about }) {
          if (!isObject(about)) return;
          if (said === updated) say(updated, about);
          if (said !== 'notifications/subscriptions/acknowledged') return;
          const taken = takenOf(about, uris);
          // Updates were missed meanwhile: whoever asked to know looks again.
          if (++times > 1) for (const uri of taken) say(updated, { uri });
          else acknowledged(taken);
        },
      },
      { signal },
    );
    if (times === 0) {
      acknowledged(new Set());
      return;
    }
    failures = performance.now() - startedAt > steadyMs ? 1 : failures + 1;
    await pauseAfter(failures, signal);
  }
}

function takenOf({ notifications }: JsonObject, uris: readonly string[]): ReadonlySet<string> {
  const taken: unknown = isObject(notifications) ? notifications['resourceSubscriptions'] : [];
  return new Set(Array.isArray(taken) ? uris.filter((uri) => taken.includes(uri)) : []);
}

/** A notification under the client's own subscription, whose id stays as the client wrote it. */
function stamped(method: string, params: JsonObject, idText: string): string {
  const { _meta, ...rest } = params;
  const theirs = Object.entries(isObject(_meta) ? _meta : {});
  const meta = theirs.filter(([key]) => key !== metaKeys.subscriptionId);
  const metaText = joined(`"${metaKeys.subscriptionId}":${idText}`, Object.fromEntries(meta));
  const paramsText = joined(`"_meta":${metaText}`, rest);
  return `{"jsonrpc":"2.0","method":${JSON.stringify(method)},"params":${paramsText}}`;
}

function joined(first: string, members: JsonObject): string {
  const others = JSON.stringify(members).slice(1, -1);
  return `{${others === '' ? first : `${first},${others}`}}`;
}

/** Nothing can be told: the subscription is over, in good order. */
function endWith(idText: string, stream: ClientStream): void {
  const meta = `{"${metaKeys.subscriptionId}":${idText}}`;
  const result = `{"resultType":"complete","_meta":${meta}}`;
  stream.send(`{"jsonrpc":"2.0","id":${idText},"result":${result}}`);
  stream.end();
}
