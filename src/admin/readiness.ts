/**
 * Ready: every registry was heard once since the start. One that is lost later
 * changes nothing in Envoy, so it takes no readiness away. Stopping does.
 */
import type { SourceName } from '../fleet/fleet.js';
import { Latest } from '../latest.js';
import type { Hearing } from '../registry/registry.js';
import type { AdminState } from './state.js';

export interface RegistryHearing {
  readonly source: SourceName;
  readonly state: Hearing['state'];
  readonly reason?: string;
}

export class Readiness {
  /** Whether every registry was heard at least once. */
  readonly complete = new Latest(false);
  readonly #heard = new Set<SourceName>();
  readonly #unsubscribe: () => void;
  #stopping = false;

  constructor(private readonly state: AdminState) {
    this.#unsubscribe = state.hearing.subscribe((hearing) => this.#listen(hearing));
  }

  /** From now on others are to be asked; what is asked here is still answered. */
  stop(): void {
    this.#stopping = true;
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  close(): void {
    this.#unsubscribe();
  }

  registries(): RegistryHearing[] {
    const hearing = this.state.hearing.value;
    return [...this.state.registries.keys()].map((source) => ({
      source,
      ...(hearing.get(source) ?? { state: 'connecting' }),
    }));
  }

  /** Those that were never heard. */
  unheard(): RegistryHearing[] {
    return this.registries().filter(({ source }) => !this.#heard.has(source));
  }

  #listen(hearing: ReadonlyMap<SourceName, Hearing>): void {
    for (const [source, { state }] of hearing) if (state === 'heard') this.#heard.add(source);
    this.complete.set([...this.state.registries.keys()].every((each) => this.#heard.has(each)));
  }
}
