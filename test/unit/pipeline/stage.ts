/** A pipeline over registries held in memory, with its last good in a folder of the test's own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig, type Config } from '../../../src/config.js';
import { failed, problem } from '../../../src/errors.js';
import type { Registration, SourceName } from '../../../src/fleet/fleet.js';
import { lastGoodStore, type LastGoodStore } from '../../../src/last_good.js';
import { silentLog } from '../../../src/log.js';
import { createMetrics, type Metrics } from '../../../src/metrics.js';
import { Pipeline } from '../../../src/pipeline.js';
import type { Registry, RegistryListener, Report } from '../../../src/registry/registry.js';
import { report } from '../fleet/registered.js';

/** Says what the test lets it say, when the test lets it. */
class SpokenRegistry implements Registry {
  #listener: RegistryListener | undefined;

  constructor(readonly source: SourceName) {}

  watch(listener: RegistryListener): void {
    this.#listener = listener;
  }

  heard(): void {
    this.#listener?.hearing(this.source, { state: 'heard' });
  }

  lost(reason: string): void {
    this.#listener?.hearing(this.source, { state: 'lost', reason });
  }

  reports(registrations: readonly Registration[], more: Partial<Report> = {}): void {
    this.#listener?.report({ ...report(this.source, registrations), ...more });
  }

  /** What a registry does once it was read: says so, and what it holds. */
  holds(...registrations: readonly Registration[]): void {
    this.heard();
    this.reports(registrations);
  }

  put() {
    return Promise.resolve(failed(problem('request_invalid', {}, 'nobody writes here')));
  }

  remove() {
    return this.put();
  }

  keepRollout() {
    return this.put();
  }

  spend() {
    return this.put();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

export interface Stage {
  readonly pipeline: Pipeline;
  readonly store: LastGoodStore;
  readonly metrics: Metrics;
  registry(source: SourceName): SpokenRegistry;
  /** The names of the fleet's services. */
  services(): string[];
  /** Ends this process's part; what was kept stays in the folder. */
  end(): Promise<void>;
}

export function temporaryFolder() {
  const path = mkdtempSync(join(tmpdir(), 'mcpx-pipeline-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export function settingsIn(folder: string): Config {
  const read = readConfig({ env: {}, cwd: folder });
  if (!read.ok) throw new Error(read.problems[0]?.message);
  return read.value;
}

export function startPipeline(folder: string, ...sources: readonly SourceName[]): Stage {
  const registries = new Map(sources.map((source) => [source, new SpokenRegistry(source)]));
  const store = lastGoodStore(folder, silentLog);
  const metrics = createMetrics();
  const settings = settingsIn(folder);
  const parts = { registries: [...registries.values()], settings, store, metrics, log: silentLog };
  const pipeline = new Pipeline(parts);
  pipeline.start();
  return {
    pipeline,
    store,
    metrics,
    registry(source) {
      const found = registries.get(source);
      if (!found) throw new Error(`no registry ${source}`);
      return found;
    },
    services: () => pipeline.fleet.value.services.map(({ name }) => name),
    async end() {
      pipeline.close();
      await store.close();
    },
  };
}
