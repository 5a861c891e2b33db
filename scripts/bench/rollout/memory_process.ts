/**
 * A control plane with open rollouts that has lived for a week, as a process to be measured:
 * the pipeline, the xDS server, the signals and the loop. Says what it holds and what it burns
 * while calls are told to it, as JSON, and ends.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { callLine, callMetadata } from '../../../src/call_log.js';
import { encode } from '../../../src/protos.js';
import { Rollouts } from '../../../src/rollouts.js';
import { callLogReceiver } from '../../../src/signals/export.js';
import { CallSignals } from '../../../src/signals/signals.js';
import { log, startControlPlane } from '../xds/control_plane.js';
import { MemoryRegistry } from '../xds/memory_registry.js';
import { nameOf } from '../xds/registrations.js';
import { newVersion, oldVersion } from '../xds/rollouts.js';
import type { Held } from './memory.js';

const [services = 0, rollouts = 0, perSecond = 0, seconds = 0] = process.argv.slice(2).map(Number);
const earlier = 20;
const batchesPerSecond = 10;
const [second, minute, hour] = [1_000, 60_000, 3_600_000];

/** Ahead of the true time by as much as was lived through at the start. */
const clock = { ahead: 0, now: (): number => Date.now() + clock.ahead };

/** One batch of Envoy's log: its calls go round the services, and round the two versions. */
function batchOf(calls: number, among: number): Buffer {
  const values = {
    '%RESPONSE_CODE%': '200',
    [`%DYNAMIC_METADATA(${callMetadata.namespace}:${callMetadata.share})%`]: '1',
    ...{ '%DURATION%': '4', '%RESPONSE_DURATION%': '3' },
  };
  const answered = Object.entries(values).reduce(
    (line, [field, value]) => line.replace(field, value),
    callLine,
  );
  const records = Array.from({ length: calls }, (_, call) => {
    const version = Math.floor(call / among) % 2 === 0 ? oldVersion : newVersion;
    const line = answered
      .replace('%UPSTREAM_CLUSTER%', nameOf(call % among))
      .replace('%UPSTREAM_METADATA(envoy.lb:version)%', version)
      .replaceAll(/%[^|]*%/g, '-');
    return { body: { string_value: line } };
  });
  return encode('opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest', {
    resource_logs: [{ scope_logs: [{ log_records: records }] }],
  });
}

const registry = new MemoryRegistry({ services, rollouts, earlier });
const { config, pipeline } = await startControlPlane(registry);
const signals = new CallSignals(clock);
pipeline.fleet.subscribe((fleet) => signals.follow(fleet));
const receiver = callLogReceiver(signals);
const loop = new Rollouts({
  ...{ fleet: pipeline.fleet, hearing: pipeline.hearing, write: 'file', settings: config },
  ...{ registries: new Map([['file', registry]]), lagging: () => [], clock, log },
  signals: (...asked) => signals.of(...asked),
  counts: (...asked) => signals.countsOf(...asked),
});

// As far back as signals are kept, in slices as fine as they are then.
const among = Math.max(1, rollouts);
const everyVersion = batchOf(2 * among, among);
for (const { length, step } of [
  { length: 166 * hour, step: hour },
  { length: 2 * hour, step: minute },
  { length: 2 * minute, step: second },
])
  for (let lived = 0; lived < length; lived += step) {
    clock.ahead += step;
    receiver.answer(everyVersion);
  }

const batch = batchOf(perSecond / batchesPerSecond, among);
const before = process.cpuUsage();
const begun = performance.now();
for (let sent = 1; sent <= seconds * batchesPerSecond; sent++) {
  receiver.answer(batch);
  await delay(begun + (sent * second) / batchesPerSecond - performance.now());
}
const burnt = process.cpuUsage(before);
const elapsedMs = performance.now() - begun;
const rss = process.memoryUsage.rss();
globalThis.gc?.();
await delay(100);
globalThis.gc?.();
const { heapUsed, external } = process.memoryUsage();
const open = signals.of(nameOf(0), newVersion, 0);
if (rollouts > 0 && (open?.calls ?? 0) < 400) throw new Error('The calls were not recorded.');
const held: Held = {
  rssMiB: rss / 2 ** 20,
  heldBytes: heapUsed + external,
  processorShare: (burnt.user + burnt.system) / 1_000 / elapsedMs,
};
process.stdout.write(`${JSON.stringify(held)}\n`);
await loop.close();
process.exit(0);
