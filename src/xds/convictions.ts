/** What follows from a verdict: it is logged, counted and kept, and changes what is published. */
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import type { Snapshots } from './audiences.js';
import type { KeptRefusals } from './kept_refusals.js';
import { publishing, type PublishedTo } from './published.js';
import { Refusals, type Verdict } from './refusals.js';

interface ConvictionParts {
  readonly snapshots: Snapshots;
  /** Without it verdicts end with the process. */
  readonly refusals?: KeptRefusals;
  readonly metrics: Metrics;
  readonly log: Log;
}

interface Convictions {
  readonly refusals: Refusals;
  readonly publishedTo: PublishedTo;
}

export function followConvictions(parts: ConvictionParts): Convictions {
  const { snapshots, refusals: kept, metrics, log } = parts;
  const refusals: Refusals = new Refusals(
    kept?.read(),
    (audience, form) => publishedTo(audience)?.before(form) ?? [],
  );
  const publishedTo = publishing(snapshots, refusals.convicted);
  let before = refusals.convicted.value;
  refusals.convicted.subscribe((convicted) => {
    metrics.knownRefused.set(convicted.length);
    if (convicted === before) return;
    for (const each of without(convicted, before))
      log.warn(textOf(each), 'known to be refused: no other Envoy here is sent it');
    for (const each of without(before, convicted))
      log.info(textOf(each), 'no longer known to be refused');
    before = convicted;
    kept?.keep(convicted);
  });
  return { refusals, publishedTo };
}

function without(verdicts: readonly Verdict[], others: readonly Verdict[]): readonly Verdict[] {
  const known = new Set(others.map(keyOf));
  return verdicts.filter((verdict) => !known.has(keyOf(verdict)));
}

const keyOf = ({ audience, kind, name, version }: Verdict) =>
  JSON.stringify([audience, kind, name, version]);

const textOf = ({ audience, kind, name, version, nodes, message, good }: Verdict) => ({
  ...{ audience, kind, name, version, nodes, complaint: message },
  instead: good ? 'its last good form' : 'nothing',
});
