import { expect } from 'chai';
import { defaultPolicy } from '../../src/fleet/defaults.js';
import type { Registration } from '../../src/fleet/fleet.js';
import { ensureEnvoyVersion, pinnedEnvoy } from '../../src/up/envoy_binary.js';
import { registration } from '../unit/fleet/registered.js';
import { postCall } from './parts/agent.js';
import { startBackend, startEdge, type Backend, type Edge } from './parts/edge.js';
import { eventually } from './parts/mcpx.js';

const changes = 200;
const residents = ['claims', 'policy'] as const;
const passing = ['vessel', 'quote', 'survey', 'broker', 'sanction', 'reserve'] as const;

/** The same sequence every time, so that a failure can be looked at again. */
function sequence(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** A fleet of which a step changes one thing; the residents always have an instance. */
class ChangingFleet {
  readonly #services = new Map<string, Registration[]>();

  constructor(
    private readonly ports: readonly number[],
    private readonly below: (limit: number) => number,
  ) {
    for (const name of residents) this.#services.set(name, [this.#instance(name, 0)]);
  }

  registrations(): readonly Registration[] {
    return [...this.#services.values()].flat();
  }

  step(): string {
    const name = this.#pick(this.below(2) === 0 ? residents : passing);
    const present = this.#services.get(name);
    if (!present) {
      this.#services.set(name, [this.#instance(name, this.below(this.ports.length))]);
      return `added ${name}`;
    }
    const isResident = (residents as readonly string[]).includes(name);
    if (!isResident && this.below(2) === 0) {
      this.#services.delete(name);
      return `removed ${name}`;
    }
    const [what, changed] = this.#change(name, present);
    this.#services.set(name, changed);
    return `${what} of ${name}`;
  }

  #change(name: string, present: Registration[]): [string, Registration[]] {
    switch (this.below(4)) {
      case 0: {
        const first = this.below(this.ports.length);
        return ['endpoints', [this.#instance(name, first), this.#instance(name, first + 1)]];
      }
      case 1: {
        const weights = present.map((each) => ({ ...each, weight: 1 + this.below(100) }));
        return ['weights', weights];
      }
      case 2: {
        const versions = ['1.0.0', '2.0.0'];
        const next = present.map((each) => ({ ...each, version: this.#pick(versions) }));
        return ['versions', next];
      }
      default: {
        const traffic = { ...defaultPolicy.traffic, timeoutMs: 10_000 + this.below(50_000) };
        return ['policy', present.map((each) => ({ ...each, traffic }))];
      }
    }
  }

  /** Health is the registry's affair here, so a new instance may be called at once. */
  #instance(name: string, index: number): Registration {
    const port = this.ports[index % this.ports.length]!;
    return registration({ name, host: '127.0.0.1', port, checkedBy: 'registry' });
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }
}

describe(`${changes} random changes under load drop no call and stall nothing`, () => {
  let backends: readonly Backend[];
  let edge: Edge | undefined;
  before(async () => {
    backends = await Promise.all([startBackend(), startBackend(), startBackend()]);
  });
  afterEach(async () => edge?.stop());
  after(async () => {
    await Promise.all(backends.map((backend) => backend.stop()));
  });

  for (const variant of ['incremental', 'state of the world'] as const)
    it(`${variant} (points 19, 20, 21, 23, 24)`, async () => {
      const binary =
        process.env['ENVOY_BIN'] || (await ensureEnvoyVersion(pinnedEnvoy, process.env));
      const running = (edge = await startEdge({ binary, variant }));
      const below = sequence(41);
      const fleet = new ChangingFleet(
        backends.map(({ port }) => port),
        below,
      );
      running.register(fleet.registrations());
      await running.settled();
      const url = (service: string) => `${running.gateway}/mcp/${service}`;
      for (const service of residents)
        await eventually(`${service} is called`, async () => {
          return (await postCall(url(service), 'whoami')).status === 200;
        });

      let last = 'nothing';
      let changing = true;
      let done = 0;
      const failures: string[] = [];
      const call = async (service: string) => {
        const answer = await postCall(url(service), 'whoami');
        const body = await answer.text();
        if (answer.status !== 200) failures.push(`${answer.status} ${body} after: ${last}`);
        done += 1;
      };
      const load = [...residents, ...residents].map(async (service) => {
        while (changing)
          await call(service).catch((error: unknown) => failures.push(`${String(error)}: ${last}`));
      });
      for (let change = 0; change < changes; change++) {
        last = fleet.step();
        running.register(fleet.registrations());
        // Some changes come while others are on their way, some when all is quiet.
        if (below(2) === 0) await running.settled();
        else await call(residents[0]);
      }
      await running.settled();
      changing = false;
      await Promise.all(load);
      expect(failures).to.deep.equal([]);
      // It waits 15 s for what never comes, and hears of no other cluster so long.
      expect(running.output()).to.not.include('fetch timed out');
      expect(done, 'calls').to.be.greaterThan(changes);
    });
});
