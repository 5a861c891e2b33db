/** Every transition of the table, killed before and after its write, on registries of each kind. */
import { expect } from 'chai';
import type { Fleet, SourceName } from '../../../src/fleet/fleet.js';
import type { Phase, RolloutDocument } from '../../../src/fleet/rollout.js';
import { Latest } from '../../../src/latest.js';
import { silentLog } from '../../../src/log.js';
import type { Hearing, Registry } from '../../../src/registry/registry.js';
import { transitions, type Move } from '../../../src/rollout/advance.js';
import { shareOfNew } from '../../../src/rollout/shares.js';
import { Rollouts } from '../../../src/rollouts.js';
import { actionOf, ways } from '../../unit/rollout/rollouts.js';
import { anySettings, towards, twoVersions } from '../../unit/rollouts/stage.js';
import { registriesOfSuite } from '../parts/registries.js';

type Moment = 'before' | 'after';

/** A control plane as far as rollouts go: what its registry tells is its fleet. */
class ControlPlane {
  readonly #fleet = new Latest<Fleet>({ services: [] });
  readonly #rollouts: Rollouts;

  constructor(
    private readonly registry: Registry,
    private readonly service: string,
    /** When it is killed at its first write. */
    dies?: Moment,
  ) {
    const known = { ...twoVersions(), name: service };
    registry.watch({
      report: ({ rollouts }) => {
        const document = rollouts.get(service);
        const rollout = document && { source: registry.source, document };
        this.#fleet.set({ services: [{ ...known, rollout }] });
      },
      hearing: () => undefined,
    });
    const keepRollout: Registry['keepRollout'] = async (...asked) => {
      if (dies === 'before') throw new Error('killed');
      const kept = await registry.keepRollout(...asked);
      if (dies === 'after') throw new Error('killed');
      return kept;
    };
    const writing = { source: registry.source, keepRollout } as Registry;
    this.#rollouts = new Rollouts({
      ...{
        fleet: this.#fleet,
        hearing: new Latest<ReadonlyMap<SourceName, Hearing>>(new Map()),
        write: registry.source,
      },
      ...{ registries: new Map([[registry.source, writing]]), settings: anySettings() },
      ...{ lagging: () => [], signals: () => undefined, counts: () => undefined },
      log: silentLog,
      clock: { now: () => 1_000_000 },
    });
  }

  /** Once the registry has told so many events of the service. */
  async document(events: number): Promise<RolloutDocument | undefined> {
    const shown = ({ services: [service] }: Fleet): RolloutDocument | undefined =>
      service?.rollout?.document;
    const fleet = await this.#fleet.when(
      (value) => value.services.length > 0 && eventsOf(shown(value)) >= events,
    );
    return shown(fleet);
  }

  async does(move: Move, events: number): Promise<readonly string[]> {
    const before = await this.document(events);
    const served = before && shareOfNew(before.current) === 100 ? '1.0.0' : '2.0.0';
    const action = towards(served, actionOf(move, before));
    const intent = { service: this.service, action, who: 'ana', acceptBreaking: false };
    const proposed = this.#rollouts.proposed(intent);
    const kept = proposed.ok ? await this.#rollouts.keep(proposed.value) : proposed;
    return kept.ok ? [] : kept.problems.map(({ message }) => message);
  }

  async close(): Promise<void> {
    await this.#rollouts.close();
    await this.registry.close();
  }
}

const eventsOf = (document: RolloutDocument | undefined): number =>
  document ? [document.current, ...document.earlier].flatMap(({ events }) => events).length : 0;

describe('a control plane that is killed at a write of a rollout', function () {
  this.timeout(30_000);
  // One control plane after the other, faster than Consul notices that the last has gone.
  const settings = { limits: { http_max_conns_per_client: 10_000 } };
  const { kinds } = registriesOfSuite({ settings });
  const open: ControlPlane[] = [];

  afterEach(async () => {
    await Promise.all(open.splice(0).map((each) => each.close()));
  });

  const phases: readonly (readonly [Phase | 'none', readonly Move[]])[] = [
    ['none', []],
    ...(Object.entries(ways) as [Phase, readonly Move[]][]),
  ];
  const cases = phases.flatMap(([phase, way]) =>
    (Object.keys(transitions[phase]) as Move[]).flatMap((move) =>
      (['before', 'after'] as const).map((when) => ({ phase, way, move, when })),
    ),
  );

  for (const [kind, registry] of Object.entries(kinds))
    for (const { phase, way, move, when } of cases)
      it(`${kind}, ${when} writing ${move} in ${phase}: its successor finds it whole`, async () => {
        const service = ['claims', kind, phase, move, when].join('-').replace('_', '-');
        const started = (dies?: Moment): ControlPlane => {
          const controlPlane = new ControlPlane(registry(), service, dies);
          open.push(controlPlane);
          return controlPlane;
        };
        const first = started();
        for (const [done, step] of way.entries())
          expect(await first.does(step, done)).to.deep.equal([]);
        const [told] = await started(when).does(move, way.length);
        expect(told, 'who asked is told').to.contain('did not take the change');
        const successor = started();
        if (when === 'before') expect(await successor.does(move, way.length)).to.deep.equal([]);
        const document = await successor.document(way.length + 1);
        expect(eventsOf(document), 'it happened once').to.equal(way.length + 1);
        expect(document?.current.events.at(-1)?.what).to.equal(move);
        expect(document?.current.phase).to.equal(transitions[phase][move]?.to);
      });
});
