import { expect } from 'chai';
import fc from 'fast-check';
import { callLine, readCallLine } from '../../../src/call_log.js';
import { emptyFleet, type Fleet } from '../../../src/fleet/fleet.js';
import type { RolloutDocument } from '../../../src/fleet/rollout.js';
import { encode, callLogService } from '../../../src/protos.js';
import { failureKinds, type Signals } from '../../../src/rollout/judge.js';
import { startsOf } from '../../../src/rollout/windows.js';
import { callLogReceiver } from '../../../src/signals/export.js';
import { History } from '../../../src/signals/history.js';
import { outcomeOf } from '../../../src/signals/outcome.js';
import { sampleOf } from '../../../src/signals/sample.js';
import { CallSignals } from '../../../src/signals/signals.js';
import { registration, serviceOf } from '../fleet/registered.js';
import { inPhase } from '../rollout/rollouts.js';
import { randomOf } from '../rollout/streams.js';

interface Fields {
  readonly cluster?: string;
  readonly version?: string;
  readonly status?: string;
  readonly flags?: string;
  readonly outcome?: string;
  readonly share?: string;
  readonly ms?: string;
  readonly answeredAfter?: string;
}

/** As Envoy writes it. */
const line = (fields: Fields = {}): string => {
  const { cluster = 'claims', version = '2.0.0', status = '200', flags = '-' } = fields;
  const { outcome = '-', share = '1', ms = '7', answeredAfter = '5' } = fields;
  return [cluster, version, status, flags, outcome, share, ms, answeredAfter].join('|');
};

const read = (fields: Fields) => {
  const entry = readCallLine(line(fields));
  return entry && outcomeOf(entry);
};

/** A word of what became of the call. */
const seen = (fields: Fields): string => {
  const outcome = read(fields);
  return outcome ? (outcome.failure ?? 'well') : 'nothing';
};

describe('a call in the log', () => {
  const cases: readonly (readonly [string, Fields, string])[] = [
    ['an answer', {}, 'well'],
    ['an answer that was read', { outcome: 'answered' }, 'well'],
    ['a notification that was taken', { status: '202' }, 'nothing'],
    ['an answer of the handshake, or a list', { outcome: 'no_call' }, 'nothing'],
    ['a list that was refused', { status: '500', outcome: 'no_call' }, 'http'],
    ['a refusal by HTTP', { status: '400' }, 'http'],
    ['a server that broke', { status: '500' }, 'http'],
    ['a JSON-RPC error', { outcome: 'rpc_error' }, 'rpc'],
    ['a tool that says isError', { outcome: 'tool_error' }, 'tool'],
    ['a JSON-RPC error with status 400: once', { status: '400', outcome: 'rpc_error' }, 'http'],
    ['a connection refused', { status: '503', flags: 'UF,URX' }, 'reset'],
    ['a connection broken off', { status: '503', flags: 'UC' }, 'reset'],
    ['a stream broken off in its middle', { flags: 'UPE' }, 'reset'],
    ['a stream broken off after an error', { flags: 'UR', outcome: 'tool_error' }, 'reset'],
    ['no answer in time', { status: '504', flags: 'UT' }, 'timeout'],
    ['an agent that left before the answer began', { status: '0', flags: 'DC' }, 'nothing'],
    ['an agent that left in the midst of an answer', { flags: 'DC' }, 'timeout'],
    ['an agent that left a stream of HTTP/2 so', { flags: 'DR' }, 'timeout'],
    ['an agent that left, which broke the rest off', { flags: 'UC,DC' }, 'timeout'],
    ['an agent that left when it had its answer', { flags: 'DC', outcome: 'answered' }, 'well'],
    ['an agent that left when it had an error', { flags: 'DC', outcome: 'tool_error' }, 'tool'],
    ['an agent that left a refusal', { flags: 'DC', status: '500' }, 'http'],
    ['an agent that left a notification', { flags: 'DC', status: '202' }, 'nothing'],
    ['an agent that sent nonsense and left', { flags: 'DPE,DC' }, 'nothing'],
    ['no host at all', { status: '503', flags: 'UH', version: '-' }, 'nothing'],
    ['a limit of ours', { status: '503', flags: 'UO' }, 'nothing'],
    ['an answer that could not be read', { outcome: 'unread' }, 'nothing'],
    ['a call without a version', { version: '-' }, 'nothing'],
    ['a call that never was answered', { status: '0' }, 'nothing'],
    ['a flag that Envoy will have one day', { status: '500', flags: 'XX' }, 'http'],
  ];
  for (const [what, fields, meaning] of cases)
    it(`counts ${what} as ${meaning}`, () => expect(seen(fields)).to.equal(meaning));

  it('belongs to the service, whether by its own cluster or by that of a version', () => {
    const apart = read({ cluster: 'claims@2.0.0' });
    expect([apart?.service, apart?.version]).to.deep.equal(['claims', '2.0.0']);
    expect(read({})?.service).to.equal('claims');
  });

  it('is read in the order in which Envoy is told to write it', () => {
    const read = readCallLine(callLine);
    expect(read?.cluster).to.equal('%UPSTREAM_CLUSTER%');
    expect(read?.milliseconds).to.equal('%DURATION%');
  });

  it('may be anything at all: what is no line of ours is not counted', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const entry = readCallLine(text);
        const outcome = entry && outcomeOf(entry);
        expect(outcome === undefined || outcome.milliseconds >= 0).to.equal(true);
      }),
    );
  });
});

const unanswered: Fields = { status: '503', flags: 'UF', share: '-', answeredAfter: '-' };

describe('the sample of a batch', () => {
  /** In turn, and then over again. */
  const drawing = (...numbers: readonly number[]) => {
    let at = 0;
    return () => numbers[at++ % numbers.length] ?? 0;
  };
  const counted = (batch: readonly Fields[], random = drawing(0, 0.1, 0.2, 0.3, 0.4)) => {
    const entries = batch.map((fields) => readCallLine(line(fields)) ?? {});
    return sampleOf(entries, random).map((entry) => entries.indexOf(entry));
  };

  it('is all that Envoy drew', () => {
    expect(counted([{ share: '0.01' }, { share: '0.01', flags: 'UPE' }])).to.deep.equal([0, 1]);
  });

  it('is without what was answered, not drawn, and broke off later', () => {
    expect(counted([{ ...unanswered, answeredAfter: '3' }])).to.deep.equal([]);
  });

  it('is of failures without an answer the share that Envoy draws of answers', () => {
    const batch = [{ share: '0.25' }, ...Array<Fields>(10).fill(unanswered)];
    expect(counted(batch)).to.deep.equal([0, 1, 2, 3, 6, 7, 8]);
  });

  it('goes by the share of the time: told before it, or, where none was, after it', () => {
    const batch = [unanswered, { share: '0.1' }, unanswered, { share: '0.5' }, unanswered];
    expect(counted(batch, drawing(0.3))).to.deep.equal([1, 3, 4]);
  });

  it('goes by the share of the same cluster', () => {
    const batch = [{ share: '0.1' }, { ...unanswered, cluster: 'claims@2.0.0' }];
    expect(counted(batch, drawing(0.3))).to.deep.equal([0, 1]);
  });

  it('is all failures where nothing is answered', () => {
    expect(counted(Array<Fields>(3).fill(unanswered), drawing(0.999))).to.deep.equal([0, 1, 2]);
  });

  it('has the rate of failures of all calls, however they were made', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0.02, 0.1, 0.4, 1),
        fc.constantFrom(0.01, 0.1, 0.5),
        fc.integer(),
        (share, rate, seed) => {
          const random = randomOf(seed);
          const batch = Array.from({ length: 4_000 / share }, (): Fields[] => {
            if (random() < rate) return [unanswered];
            return random() < share ? [{ share: String(share) }] : [];
          }).flat();
          const entries = batch.map((fields) => readCallLine(line(fields)) ?? {});
          const sample = sampleOf(entries, random);
          const failures = sample.filter(({ flags }) => flags !== undefined).length;
          const deviation = Math.sqrt((rate * (1 - rate)) / sample.length);
          expect(Math.abs(failures / sample.length - rate)).to.be.below(6 * deviation);
        },
      ),
      { numRuns: 12 },
    );
  });
});

const failed = (signals: Signals | undefined) =>
  failureKinds.reduce((sum, kind) => sum + (signals?.failures[kind] ?? 0), 0);

describe('the history of a version', () => {
  /** Calls at these times, ms apart. */
  const gaps = fc.array(fc.nat({ max: 400_000 }), { minLength: 1, maxLength: 200 });

  it('knows exactly what came since a step began, however long ago that is', () => {
    fc.assert(
      fc.property(gaps, fc.nat({ max: 200 }), (pauses, before) => {
        const history = new History();
        let now = 1_700_000_000_000;
        let since = 0;
        pauses.forEach((pause, index) => {
          now += pause;
          if (index === before) history.mark((since = now));
          history.record(now, undefined, 1);
        });
        const expected = before < pauses.length ? pauses.length - before : pauses.length;
        expect(history.since(since).calls).to.equal(expected);
      }),
    );
  });

  it('knows the last seconds to a second', () => {
    fc.assert(
      fc.property(gaps, (pauses) => {
        const history = new History();
        let now = 1_700_000_000_000;
        const times = pauses.map((pause) => {
          now += pause % 3_000;
          history.record(now, undefined, 1);
          return now;
        });
        const since = now - 10_000;
        const within = (ms: number) => times.filter((time) => time >= since - ms).length;
        expect(history.since(since).calls).to.be.within(within(0), within(1_000));
      }),
    );
  });

  it('knows exactly what came since each width of its slices after the beginning', () => {
    fc.assert(
      fc.property(gaps, fc.nat({ max: 1_000 }), fc.nat(), (pauses, part, chosen) => {
        const [history, began] = [new History(), 1_700_000_000_000 + part];
        history.mark(began);
        let now = began;
        const times = pauses.map((pause, index) => {
          now += pause % 20_000;
          history.record(now, index % 2 === 0 ? 'tool' : undefined, 1);
          return now;
        });
        const starts = startsOf(began, now);
        const ats = [...starts.map(({ at }) => at), began];
        const nth = chosen % ats.length;
        const at = ats[nth] ?? NaN;
        const later = times.flatMap((time, index) => (time >= at ? [index % 2 === 0] : []));
        const { calls, failures } = history.countsSince(ats)[nth] ?? {};
        const hits = later.filter(Boolean).length;
        expect([calls, failures?.tool, failures?.http]).to.deep.equal([later.length, hits, 0]);
        expect(history.since(at).calls).to.equal(calls);
      }),
    );
  });

  it('forgets what is older than a week', () => {
    const history = new History();
    const week = 7 * 24 * 3_600_000;
    for (let now = 0; now <= 2 * week; now += 60_000) history.record(now, undefined, 1);
    expect(history.since(0).calls).to.be.within(week / 60_000, week / 60_000 + 120);
  });

  it('counts a call for now when the clock went back', () => {
    const history = new History();
    history.record(10_000_000, undefined, 1);
    history.record(1_000, 'http', 1);
    expect(history.since(9_999_000).calls).to.equal(2);
  });

  it('puts a call under a bound that is at most a tenth above it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 50_000 }), (milliseconds) => {
        const history = new History();
        history.record(1, undefined, milliseconds);
        const { latency } = history.since(0).signals();
        const bucket = latency.find(({ calls }) => calls === 1);
        expect(bucket?.upTo).to.be.within(milliseconds, milliseconds * 1.1 + 1);
      }),
    );
  });
});

const fleetOf = (document: RolloutDocument | undefined): Fleet => ({
  services: [{ ...serviceOf(registration()), rollout: document && { source: 'file', document } }],
});

describe('what agents feel of versions', () => {
  let now: number;
  let signals: CallSignals;
  beforeEach(() => {
    now = 2_000_000;
    signals = new CallSignals({ now: () => now }, () => 0.5);
    signals.follow(fleetOf(inPhase('running')));
  });

  it('is counted for the version that served', () => {
    signals.record([line({ version: '1.0.0' }), line({ outcome: 'tool_error' })]);
    signals.record([line({ cluster: 'claims@2.0.0', status: '500' })]);
    const [old, fresh] = ['1.0.0', '2.0.0'].map((version) => signals.of('claims', version, 0));
    expect([old?.calls, failed(old)]).to.deep.equal([1, 0]);
    expect([fresh?.calls, fresh?.failures.tool, fresh?.failures.http]).to.deep.equal([2, 1, 1]);
    const counts = signals.countsOf('claims', '2.0.0', [0]);
    expect(counts).to.deep.equal([{ calls: 2, failures: fresh?.failures }]);
  });

  it('is no calls, not health, while nobody says anything', () => {
    expect(signals.of('claims', '2.0.0', 0)?.calls).to.equal(0);
  });

  it('is nothing for versions and services that no open rollout names', () => {
    signals.record([line({ version: '3.0.0' }), line({ cluster: 'policy' })]);
    expect(signals.of('claims', '3.0.0', 0)).to.equal(undefined);
    expect(signals.of('policy', '2.0.0', 0)).to.equal(undefined);
  });

  it('has of failures without an answer as many as it has of answers', () => {
    signals.record([line({ share: '0.6' }), line(unanswered)]);
    signals.record([line({ share: '0.4' }), line(unanswered)]);
    const counted = signals.of('claims', '2.0.0', 0);
    expect([counted?.calls, counted?.failures.reset]).to.deep.equal([3, 1]);
  });

  it('goes on over the steps of a rollout, and is forgotten when it ends', () => {
    signals.record([line()]);
    now += 5_000;
    const [document] = [inPhase('paused')];
    signals.follow(fleetOf({ ...document, current: { ...document.current, stepSince: now } }));
    signals.record([line()]);
    expect(signals.of('claims', '2.0.0', now)?.calls).to.equal(1);
    expect(signals.of('claims', '2.0.0', 0)?.calls).to.equal(2);
    signals.follow(fleetOf(inPhase('aborted')));
    expect(signals.of('claims', '2.0.0', 0)).to.equal(undefined);
    signals.follow(emptyFleet);
    expect(signals.of('claims', '2.0.0', 0)).to.equal(undefined);
  });

  it('comes in as OTLP says it', () => {
    const { path, answer } = callLogReceiver(signals);
    const records = [{ body: { string_value: line() } }, {}, { body: { string_value: 'hm' } }];
    const bytes = encode('opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest', {
      resource_logs: [{ scope_logs: [{ log_records: records }] }, {}],
    });
    expect(answer(bytes)).to.have.length(0);
    expect(path).to.equal('/opentelemetry.proto.collector.logs.v1.LogsService/Export');
    expect(callLogService().Export.path).to.equal(path);
    expect(signals.of('claims', '2.0.0', 0)?.calls).to.equal(1);
  });
});
