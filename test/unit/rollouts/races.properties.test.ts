/**
 * Replicas, operators, crashes, losses and time in any order: whatever happens, what a
 * registry comes to hold is one way through the table, and nothing of it is ever lost.
 */
import { expect } from 'chai';
import fc from 'fast-check';
import type { RolloutDocument } from '../../../src/fleet/rollout.js';
import { transitions, type Move } from '../../../src/rollout/advance.js';
import { actionOf, canaryPlan } from '../rollout/rollouts.js';
import { felt, World, type Replica } from './stage.js';

const operatorMoves = [
  ...(['start', 'stage', 'pause', 'resume', 'promote', 'abort'] as const),
  ...(['switch', 'rollback', 'finish'] as const),
] as const satisfies readonly Move[];

const replicaCount = 3;
const which = fc.nat(replicaCount - 1);

const happening = fc.oneof(
  fc.record({ kind: fc.constant('look' as const), which }),
  fc.record({ kind: fc.constant('all look' as const) }),
  fc.record({ kind: fc.constant('all is written' as const) }),
  fc.record({ kind: fc.constant('ask' as const), which, move: fc.constantFrom(...operatorMoves) }),
  fc.record({ kind: fc.constant('time' as const), steps: fc.integer({ min: -1, max: 2 }) }),
  fc.record({ kind: fc.constant('calls' as const), failed: fc.constantFrom(0, 500) }),
  fc.record({ kind: fc.constant('hearing' as const), heard: fc.boolean() }),
  fc.record({ kind: fc.constant('lag' as const), lags: fc.boolean() }),
  fc.record({
    ...{ kind: fc.constant('die' as const), which },
    when: fc.constantFrom('before' as const, 'after' as const),
  }),
);

type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;

/** What is wrong with `next` as what comes after `before`. */
function wrongStep(before: RolloutDocument | undefined, next: RolloutDocument): string | undefined {
  const [now, then] = [next.current, before?.current];
  const last = now.events.at(-1);
  if (!last || last.to !== now.phase) return 'the last event does not tell the phase';
  // Only who holds it back was said.
  if (now.id === then?.id && now.events.length === then.events.length) return undefined;
  const isNew = now.id !== then?.id;
  const kept = isNew ? next.earlier[0]?.events : now.events.slice(0, -1);
  if (JSON.stringify(kept ?? []) !== JSON.stringify(then?.events ?? [])) return 'history was lost';
  if (transitions[then?.phase ?? 'none'][last.what]?.to !== now.phase)
    return `${last.what} does not lead from ${then?.phase ?? 'none'} to ${now.phase}`;
  if (isNew) return now.step === 0 ? undefined : 'it does not begin at its first step';
  if (last.what === 'retire') {
    const ended = now.events.at(-2);
    if (last.who !== 'mcpx' || ended?.what === 'retire') return 'it was retired twice';
    if (last.at - (ended?.at ?? 0) < (now.drainMs ?? 0)) return 'it was retired too early';
  }
  const ahead = now.step - then.step;
  if (last.what === 'advance') return ahead === 1 ? undefined : `it went ${ahead} steps`;
  return ahead === 0 || last.what === 'promote' ? undefined : 'the step changed';
}

interface Scene {
  readonly world: World;
  readonly replicas: Replica[];
  /** What operators wait for. */
  readonly asked: Promise<unknown>[];
}

async function follow({ world, replicas, asked }: Scene, each: Happening): Promise<void> {
  switch (each.kind) {
    case 'look':
      return replicas[each.which]?.looks();
    case 'all look':
      await Promise.all(replicas.map((replica) => replica.looks()));
      return;
    case 'all is written':
      await Promise.all(asked.splice(0));
      return;
    case 'ask': {
      const replica = replicas[each.which];
      // Not awaited: others ask meanwhile.
      if (replica) asked.push(replica.does(actionOf(each.move), true));
      return;
    }
    case 'time':
      world.now += each.steps * canaryPlan.everyMs;
      return;
    case 'calls':
      world.signals = { '1.0.0': felt(2_000), '2.0.0': felt(1_000, each.failed) };
      return;
    case 'hearing':
      world.hear(each.heard ? { state: 'heard' } : { state: 'lost', reason: 'gone' });
      return;
    case 'lag':
      world.lagging = each.lags ? [{ node: 'edge-1', refused: false }] : [];
      return;
    case 'die':
      // It dies at its next write; another takes its place after that.
      replicas[each.which] = world.replica({ at: 1, when: each.when });
  }
}

describe('a rollout, whatever happens', () => {
  it('goes one way through the table, and keeps its whole history', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(happening, { maxLength: 40 }), async (happenings) => {
        const world = new World();
        const replicas = Array.from({ length: replicaCount }, () => world.replica());
        const asked: Promise<unknown>[] = [];
        const wrong: string[] = [];
        let before: RolloutDocument | undefined;
        const end = world.store.texts.subscribe(() => {
          const next = world.store.document();
          const found = next && next !== before ? wrongStep(before, next) : undefined;
          if (found !== undefined) wrong.push(found);
          before = next;
        });
        for (const each of happenings) await follow({ world, replicas, asked }, each);
        await Promise.all(asked);
        end();
        await world.end();
        expect(wrong).to.deep.equal([]);
      }),
      { numRuns: 60 },
    );
  });
});
