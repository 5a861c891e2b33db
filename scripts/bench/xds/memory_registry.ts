/**
 * The registry of these benchmarks: in memory, and told what to say. Some of its services are
 * in a rollout, from half of their instances to the other half.
 */
import type { Outcome } from '../../../src/errors.js';
import type { Registration } from '../../../src/fleet/fleet.js';
import type { RolloutDocument } from '../../../src/fleet/rollout.js';
import type { Registry, RegistryListener } from '../../../src/registry/registry.js';
import { instanceOf, instancesPerService, nameOf, registrationsOf } from './registrations.js';
import { rolloutAt } from './rollouts.js';

export interface Size {
  readonly services: number;
  /** How many of them, the first ones, are in a rollout. */
  readonly rollouts: number;
  /** Ended ones that each remembers, 20 at most; none unless given. */
  readonly earlier?: number;
}

export class MemoryRegistry implements Registry {
  readonly source = 'file';
  readonly #registrations: Registration[] = [];
  readonly #rollouts: Map<string, RolloutDocument>;
  #listener: RegistryListener | undefined;

  constructor({ services, rollouts, earlier = 0 }: Size) {
    this.#rollouts = new Map(
      Array.from({ length: rollouts }, (_, service) => {
        const name = nameOf(service);
        return [name, rolloutAt({ service: name, share: 1, since: Date.now() }, earlier)];
      }),
    );
    for (let service = 0; service < services; service++) this.add();
  }

  get services(): number {
    return this.#registrations.length / instancesPerService;
  }

  watch(listener: RegistryListener): void {
    this.#listener = listener;
    listener.hearing(this.source, { state: 'heard' });
    this.#report();
  }

  move(service: number, port: number): void {
    this.#registrations[service * instancesPerService] = instanceOf(service, 0, port);
    this.#report();
  }

  add(): void {
    const { services } = this;
    this.#registrations.push(...registrationsOf(services, this.#rollouts.has(nameOf(services))));
    this.#report();
  }

  /** The service's new version has this share (in percent) from now on. */
  step(service: number, share: number): void {
    const name = nameOf(service);
    this.#rollouts.set(name, rolloutAt({ service: name, share, since: Date.now() }, 0));
    this.#report();
  }

  put(): never {
    throw new Error('nothing is written here');
  }

  remove(): never {
    throw new Error('nothing is written here');
  }

  spend(): never {
    throw new Error('nothing is written here');
  }

  keepRollout(): Promise<Outcome<void>> {
    throw new Error('nothing is written here');
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #report(): void {
    this.#listener?.report({
      ...{ source: this.source, registrations: [...this.#registrations] },
      ...{ policies: new Map(), rollouts: new Map(this.#rollouts), problems: [] },
    });
  }
}
