import { expect } from 'chai';
import { Latest } from '../../../src/latest.js';
import { silentLog } from '../../../src/log.js';
import { createMetrics } from '../../../src/metrics.js';
import { encode } from '../../../src/protos.js';
import { emptySnapshot, typeUrls } from '../../../src/snapshot/snapshot.js';
import { Audiences } from '../../../src/xds/audiences.js';
import { defaultLimits } from '../../../src/xds/limits.js';
import { NameBudget } from '../../../src/xds/name_budget.js';
import { Nodes } from '../../../src/xds/nodes.js';
import { sharedNumbering } from '../../../src/xds/response.js';
import { Streams } from '../../../src/xds/streams.js';
import { Turns } from '../../../src/xds/turns.js';

function streamsBy(random: () => number): Streams {
  const metrics = createMetrics();
  const clock = { now: () => 0 };
  const published = new Latest(emptySnapshot);
  return new Streams(
    {
      ...{ metrics, clock, log: silentLog, identity: 'any', limits: defaultLimits },
      ...{ nodes: new Nodes(metrics, clock), audiences: new Audiences(() => published) },
      ...{ numbered: sharedNumbering(), turns: new Turns(), names: new NameBudget(defaultLimits) },
    },
    random,
  );
}

/** Resolves when its stream is ended. */
async function opened(streams: Streams, id: string): Promise<void> {
  await new Promise<void>((resolve) => {
    const stream = streams.open({
      ...{ address: '127.0.0.1:1', peer: undefined, variant: 'incremental' },
      write: (_, taken) => taken(),
      end: () => resolve(),
      cut: () => undefined,
    });
    const request = { node: { id }, type_url: typeUrls.cluster };
    stream.receive(encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', request));
  });
}

describe('all streams', () => {
  it('end at random when it stops, and not in a row or all at once (point 39)', async () => {
    const chances = [0.9, 0.5, 0.1];
    const streams = streamsBy(() => chances.shift() ?? 0);
    const order: string[] = [];
    const ends = ['first', 'second', 'third'].map(async (name) => {
      await opened(streams, name);
      order.push(name);
    });
    streams.drain(60_000);
    await Promise.all(ends);
    expect(order).to.deep.equal(['third', 'second', 'first']);
  });
});
