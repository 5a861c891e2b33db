import { expect } from 'chai';
import fc from 'fast-check';
import { inconsistencies } from '../../../src/snapshot/consistent.js';
import { resourceKinds, type Snapshot } from '../../../src/snapshot/snapshot.js';
import type { Variant } from '../../../src/xds/subscription.js';
import { Proxy } from './proxy.js';
import { contentsOf, fleets, mended, render, type SmallFleet } from './small_fleet.js';

const kind = fc.constantFrom(...resourceKinds);
const calm = [
  fleets.map((fleet) => ({ act: 'publish', fleet }) as const),
  kind.map((of) => ({ act: 'acknowledge', of }) as const),
];
const reconnect = fc.constant({ act: 'reconnect' } as const);
const refusal = kind.map((of) => ({ act: 'refuse', of }) as const);
type Step = { act: 'publish'; fleet: SmallFleet } | { act: string; of?: never } | Named;
interface Named {
  act: 'acknowledge' | 'refuse';
  of: (typeof resourceKinds)[number];
}

function play(variant: Variant, steps: readonly Step[]): Proxy {
  const proxy = new Proxy(undefined, variant);
  for (const step of steps) {
    if ('fleet' in step) proxy.publish(render(step.fleet));
    else if (step.act === 'acknowledge' && step.of) proxy.acknowledge(step.of);
    else if (step.act === 'refuse' && step.of) proxy.refuse(step.of);
    else if (step.act === 'reconnect') proxy.reconnect();
  }
  return proxy;
}

const holds = (proxy: Proxy) => contentsOf(proxy.held);
const says = ({ resources }: Snapshot) => contentsOf(resources);

describe('delivery, whatever happens in whatever order', () => {
  it('is fed consistent snapshots by this test', () => {
    fc.assert(fc.property(fleets, (fleet) => inconsistencies(render(fleet)).length === 0));
  });

  for (const variant of ['incremental', 'state of the world'] as const)
    describe(variant, () => behaves(variant));
});

function behaves(variant: Variant): void {
  it('ends with the proxy holding what the snapshot says (points 18, 19, 20, 31)', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(...calm), { maxLength: 30 }), fleets, (steps, last) => {
        const proxy = play(variant, steps);
        proxy.publish(render(last));
        proxy.settle();
        expect(holds(proxy)).to.deep.equal(says(render(last)));
      }),
      { numRuns: 300 },
    );
  });

  it('does so across reconnects, and an idle reconnect changes nothing (point 15)', () => {
    const steps = fc.array(fc.oneof(...calm, reconnect), { maxLength: 30 });
    fc.assert(
      fc.property(steps, fleets, (played, last) => {
        const proxy = play(variant, played);
        proxy.publish(render(last));
        proxy.settle();
        const before = holds(proxy);
        expect(before).to.deep.equal(says(render(last)));
        proxy.received.length = 0;
        proxy.reconnect();
        // The state of the world is always told anew; the proxy finds it unchanged.
        if (variant === 'incremental')
          expect(proxy.received.flatMap(({ content }) => [...content.keys()])).to.be.empty;
        proxy.settle();
        expect(holds(proxy)).to.deep.equal(before);
      }),
      { numRuns: 300 },
    );
  });

  it('recovers from refusals as soon as there are different bytes (points 26, 28)', () => {
    const steps = fc.array(fc.oneof(...calm, refusal), { maxLength: 30 });
    fc.assert(
      fc.property(steps, fleets, (played, last) => {
        const proxy = play(variant, played);
        const other = mended(last);
        proxy.publish(other);
        proxy.settle();
        expect(holds(proxy)).to.deep.equal(says(other));
      }),
      { numRuns: 300 },
    );
  });

  it('falls silent before a proxy that refuses everything (point 26)', () => {
    fc.assert(
      fc.property(fleets, (fleet) => {
        const proxy = new Proxy(render(fleet), variant);
        proxy.reconnect();
        for (let round = 0; proxy.waiting.size > 0; round++) {
          expect(round, 'rounds until silent').to.be.lessThan(20);
          for (const of of [...proxy.waiting.keys()]) proxy.refuse(of);
        }
        expect(proxy.refused('cluster')).to.have.members(fleet.services.map(({ name }) => name));
      }),
    );
  });
}
