import { expect } from 'chai';
import fc from 'fast-check';
import { resourceKinds, type ResourceKind, type Snapshot } from '../../../src/snapshot/snapshot.js';
import type { Variant } from '../../../src/xds/subscription.js';
import {
  contentsOf,
  fleets,
  listenerNames,
  mended,
  render,
  secretOf,
  serviceNames,
  type SmallFleet,
} from './small_fleet.js';
import { everything, WishingClient } from './wishing_client.js';

const namesOf: Readonly<Record<ResourceKind, readonly string[]>> = {
  cluster: serviceNames,
  endpoint: serviceNames,
  secret: serviceNames.map(secretOf),
  listener: listenerNames,
  route: listenerNames,
};

interface Naming {
  readonly of: ResourceKind;
  readonly names: readonly string[];
}
type Step =
  | { readonly act: 'publish'; readonly fleet: SmallFleet }
  | ({ readonly act: 'subscribe' | 'unsubscribe' } & Naming)
  | { readonly act: 'acknowledge' | 'refuse' | 'answerLate'; readonly of: ResourceKind }
  | { readonly act: 'reconnect' };

const kind = fc.constantFrom(...resourceKinds);
const naming = kind.chain((of) =>
  fc.subarray([...namesOf[of], everything], { minLength: 1 }).map((names) => ({ of, names })),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fleets.map((fleet) => ({ act: 'publish', fleet }) as const) },
  { weight: 6, arbitrary: kind.map((of) => ({ act: 'acknowledge', of }) as const) },
  { weight: 2, arbitrary: kind.map((of) => ({ act: 'refuse', of }) as const) },
  { weight: 2, arbitrary: naming.map((of) => ({ act: 'subscribe', ...of }) as const) },
  { weight: 2, arbitrary: naming.map((of) => ({ act: 'unsubscribe', ...of }) as const) },
  { weight: 1, arbitrary: kind.map((of) => ({ act: 'answerLate', of }) as const) },
  { weight: 1, arbitrary: fc.constant({ act: 'reconnect' } as const) },
);

function play(client: WishingClient, next: Step): void {
  if (next.act === 'publish') client.publish(render(next.fleet));
  else if (next.act === 'reconnect') client.reconnect();
  else if ('names' in next) client[next.act](next.of, next.names);
  else client[next.act](next.of);
}

/** As Envoy does: all clusters and listeners, and everything else by its name. */
function wishForAll(client: WishingClient): void {
  for (const of of ['cluster', 'listener'] as const) client.subscribe(of, [everything]);
  for (const of of ['endpoint', 'secret', 'route'] as const) client.subscribe(of, namesOf[of]);
}

/** The state of the world has no word for an assignment, a secret or a route that is gone. */
function holdsOf(client: WishingClient, { resources }: Snapshot, variant: Variant) {
  const { cluster, listener, ...others } = client.held;
  if (variant === 'incremental') return contentsOf(client.held);
  const stays = (of: keyof typeof others) =>
    new Map([...others[of]].filter(([name]) => resources[of].has(name)));
  const rest = { endpoint: stays('endpoint'), secret: stays('secret'), route: stays('route') };
  return contentsOf({ cluster, listener, ...rest });
}

describe('delivery, whatever is wished, answered and repeated', () => {
  for (const variant of ['incremental', 'state of the world'] as const)
    describe(variant, () => {
      it('keeps its order, and sends what is wished for (points 9, 15, 18, 19, 20, 26)', () => {
        fc.assert(
          fc.property(fc.array(step, { maxLength: 40 }), fleets, (steps, last) => {
            const client = new WishingClient(variant);
            wishForAll(client);
            for (const next of steps) play(client, next);
            client.settle();
            for (const of of ['cluster', 'endpoint', 'secret'] as const)
              expect(client.lacks(of), `${of}s that were not sent`).to.deep.equal([]);
            for (const snapshot of [mended(last), render(last)]) {
              wishForAll(client);
              client.publish(snapshot);
              client.settle();
              expect(holdsOf(client, snapshot, variant)).to.deep.equal(
                contentsOf(snapshot.resources),
              );
              // What was refused is forgotten with the stream.
              client.reconnect();
            }
          }),
          { numRuns: 200 },
        );
      });
    });
});
