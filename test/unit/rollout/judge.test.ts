import { expect } from 'chai';
import { judge } from '../../../src/rollout/judge.js';
import type { LaterWindow, Signals, Verdict, Window } from '../../../src/rollout/judge.js';
import { limits } from './rollouts.js';
import { healthy, randomOf, Traffic, type Behaviour } from './streams.js';

interface Trial {
  readonly share: number;
  readonly old?: Behaviour;
  readonly next: Behaviour;
  /** Calls of both between two looks, and looks. */
  readonly every: number;
  readonly looks: number;
  readonly before?: Signals | undefined;
}

interface Seen {
  /** Calls of the new version when it was first found bad or a disaster. */
  readonly caughtAfter: number;
  readonly last: Verdict;
  readonly window: Window;
}

/** Looks at one step until the new version is found bad, or to its end. */
function watched(trial: Trial, random: () => number): Seen {
  const { share, old = healthy, next, every, looks, before } = trial;
  const traffic = new Traffic(share, random);
  let window = traffic.carry(0, old, next);
  let last = judge(window, limits);
  const isCaught = () => last.kind === 'bad' || last.kind === 'disaster';
  for (let look = 0; look < looks && !isCaught(); look += 1) {
    window = traffic.carry(every, old, next);
    last = judge(window, limits, before && { before });
  }
  return { caughtAfter: isCaught() ? window.new.calls : Infinity, last, window };
}

/** Of so many steps of one kind, each from numbers of its own. */
function trials(count: number, seed: number, trial: Trial): readonly Seen[] {
  const random = randomOf(seed);
  return Array.from({ length: count }, () => watched(trial, random));
}

const caught = (seen: readonly Seen[], within = Infinity): number =>
  seen.filter(({ caughtAfter }) => caughtAfter <= within && caughtAfter < Infinity).length /
  seen.length;

const failuresOf = (failed: number): Signals['failures'] => ({
  ...{ http: 0, rpc: 0, tool: failed, reset: 0, timeout: 0 },
});
/** Calls of a version, of which some failed and all took 10 to 20 ms. */
const signals = (calls: number, failed = 0): Signals => ({
  calls,
  failures: failuresOf(failed),
  latency: [
    { upTo: 10, calls: 0 },
    { upTo: 20, calls },
    { upTo: Infinity, calls: 0 },
  ],
});
const windowOf = (next: Signals, old: Signals = signals(1000, 5)): Window => ({ old, new: next });
const laterOf = (next: Signals, old: Signals): LaterWindow => ({
  ...{ old, new: next, seconds: 10, price: 1_000 },
});

describe('the judge does not cry wolf', () => {
  /** Four steps, looked at 40 times each, as a rollout is every few seconds. */
  const rollout = (next: Behaviour, old: Behaviour, seed: number): boolean => {
    const random = randomOf(seed);
    let before: Signals | undefined;
    return [0.05, 0.25, 0.5, 1].some((share) => {
      const seen = watched({ share, old, next, every: 100, looks: 40, before }, random);
      before = seen.window.old;
      return seen.caughtAfter < Infinity;
    });
  };
  const falseAlarms = (next: Behaviour, old: Behaviour = next): number =>
    Array.from({ length: 400 }, (_, seed) => rollout(next, old, seed)).filter(Boolean).length / 400;

  it('over at most 1 % of 400 rollouts of versions that are alike', () => {
    expect(falseAlarms(healthy)).to.be.at.most(0.01);
  }).timeout(60_000);

  it('over at most 1 % of 400 rollouts that fail just as often as the limit allows', () => {
    const atLimit = { ...healthy, errors: limits.maxErrorRate };
    expect(falseAlarms(atLimit, { ...healthy, errors: 0 })).to.be.at.most(0.01);
  }).timeout(60_000);

  it('over at most 1 % of 400 rollouts that are just as slow as the limit allows', () => {
    const slower = { ...healthy, medianMs: healthy.medianMs * (1 + limits.maxP99Increase) };
    expect(falseAlarms(slower, healthy)).to.be.at.most(0.01);
  }).timeout(60_000);

  it('over at most 1 % of 400 rollouts whose both versions fail five times the limit', () => {
    expect(falseAlarms({ ...healthy, errors: 0.05 })).to.be.at.most(0.01);
  }).timeout(60_000);
});

describe('the judge finds what is wrong', () => {
  const bad = (fields: Partial<Behaviour>): Behaviour => ({ ...healthy, ...fields });
  const faulty = bad({ errors: 0.05 });

  for (const [share, within] of [
    [0.05, 600],
    [0.25, 600],
    [0.5, 800],
  ] as const)
    it(`5 % errors against 1 % allowed, at ${share * 100} %, within ${within} of its calls`, () => {
      const trial = { share, next: faulty, every: 20 / share, looks: 60 };
      expect(caught(trials(200, 1, trial), within)).to.be.at.least(0.95);
    }).timeout(60_000);

  it('5 % errors when every call goes to it and there is no other to compare with', () => {
    const trial = { share: 1, next: faulty, every: 20, looks: 60 };
    expect(caught(trials(200, 2, trial), 600)).to.be.at.least(0.95);
  });

  for (const [share, within] of [
    [0.05, 2000],
    [0.5, 4000],
  ] as const)
    it(`a p99 half as slow again where a fifth is allowed, at ${share * 100} %`, () => {
      const trial = { share, next: bad({ medianMs: 45 }), every: 200 / share, looks: 20 };
      const seen = trials(100, 3, trial);
      expect(caught(seen, within)).to.be.at.least(0.95);
      expect(seen[0]?.last.why).to.match(/took longer than \d+ ms \(the old one's p99 of/);
    }).timeout(60_000);

  for (const errors of [0.3, 0.5, 1])
    for (const share of [0.05, 0.25, 0.5])
      it(`${errors * 100} % errors at ${share * 100} %, a disaster, within 60 of its calls`, () => {
        const trial = { share, next: bad({ errors }), every: 5 / share, looks: 30 };
        const seen = trials(200, 4, trial);
        expect(caught(seen, 60)).to.be.at.least(0.95);
        expect(seen.every(({ last }) => last.kind === 'disaster')).to.equal(true);
      }).timeout(60_000);

  it('a disaster that only began, after a long time that was good', () => {
    const step = windowOf(signals(10_000, 40), signals(10_000, 10));
    expect(judge(step, limits).kind).to.equal('good');
    const verdict = judge(step, limits, { later: [laterOf(signals(40, 20), signals(760))] });
    expect(verdict.kind).to.equal('disaster');
    expect(verdict.why).to.equal(
      '50 % of 40 calls of the new version failed (tool 20) in the last 10 s, ' +
        '0 % of 760 of the old one.',
    );
  });

  it('a disaster with few calls in the last seconds, in the whole step', () => {
    const later = [laterOf(signals(5, 0), signals(50))];
    expect(judge(windowOf(signals(40, 20)), limits, { later }).kind).to.equal('disaster');
  });

  it('a fault short of a disaster that only began', () => {
    const step = windowOf(signals(10_000, 60), signals(10_000, 10));
    const later = [laterOf(signals(600, 48), signals(600, 1))];
    expect(judge(step, limits, { later }).kind).to.equal('bad');
  });
});

describe('a window within the step', () => {
  const step = windowOf(signals(10_000, 60), signals(10_000, 10));

  it('must be as many times surer as it costs', () => {
    const failing = laterOf(signals(40, 8), signals(760));
    const kindAt = (price: number) => judge(step, limits, { later: [{ ...failing, price }] }).kind;
    expect([kindAt(1_000), kindAt(1e12)]).to.deep.equal(['disaster', 'waiting']);
  });

  it('holds the step when it looks bad, though it is not sure', () => {
    const verdict = judge(step, limits, { later: [laterOf(signals(20, 4), signals(380))] });
    expect(verdict.kind).to.equal('waiting');
    expect(verdict.why).to.include('in the last 10 s');
    const lucky = laterOf(signals(20, 1), signals(380));
    expect(judge(step, limits, { later: [lucky] }).kind).to.equal('good');
  });

  it('in which the old version has no calls by chance blames nothing on the new', () => {
    const both = windowOf(signals(200, 100), signals(200, 100));
    const later = [laterOf(signals(12, 12), signals(0))];
    expect(judge(both, limits, { later }).kind).to.equal('waiting');
  });

  it('says that both suffer what both began to suffer', () => {
    const later = [laterOf(signals(40, 20), signals(760, 380))];
    expect(judge(step, limits, { later }).why).to.include("not the new version's fault alone");
  });

  it('is compared with the steps before where hardly any call goes to the old version', () => {
    const alone = windowOf(signals(10_000, 60), signals(0));
    const later = [laterOf(signals(40, 20), signals(0))];
    expect(judge(alone, limits, { later, before: signals(1_000, 5) }).kind).to.equal('disaster');
    expect(judge(alone, limits, { later, before: signals(1_000, 500) }).kind).to.equal('waiting');
  });
});

describe('what both versions suffer', () => {
  for (const errors of [0.2, 0.5, 1])
    for (const share of [0.05, 0.5, 0.7])
      it(`${errors * 100} % errors of both are not blamed on the new at ${share * 100} %`, () => {
        const failing = { ...healthy, errors };
        const trial = { share, old: failing, next: failing, every: 10 / share, looks: 50 };
        expect(caught(trials(200, 5, trial))).to.be.at.most(0.05);
      }).timeout(60_000);

  it('holds the step when it is a disaster, and says so', () => {
    const verdict = judge(windowOf(signals(200, 100), signals(1000, 500)), limits);
    expect(verdict.kind).to.equal('waiting');
    expect(verdict.why).to.equal(
      '50 % of 200 calls of the new version failed (tool 100), 50 % of 1000 of the old one: ' +
        "not the new version's fault alone. Look at what both need.",
    );
  });

  it('raises the limit when it is less: failing as the old one does is good', () => {
    expect(judge(windowOf(signals(1000, 30), signals(1000, 30)), limits).kind).to.equal('good');
  });

  it('does not hide a new version that is far worse still', () => {
    const verdict = judge(windowOf(signals(300, 240), signals(300, 75)), limits);
    expect(verdict.kind).to.equal('disaster');
  });
});

describe('when hardly any call goes to the old version', () => {
  const alone = windowOf(signals(1000, 50), signals(0));

  it('it is compared as it was in the steps before', () => {
    expect(judge(alone, limits, { before: signals(1000, 45) }).kind).to.equal('good');
    const verdict = judge(alone, limits, { before: signals(1000, 5) });
    expect(verdict.kind).to.equal('bad');
    expect(verdict.why).to.include('0.5 % of 1000 of the old one in the steps before');
  });

  it('the limit counts alone where that is not known', () => {
    expect(judge(alone, limits).kind).to.equal('bad');
  });

  it('but not against the few calls of it that fail alike', () => {
    expect(judge(windowOf(signals(1000, 50), signals(10, 1)), limits).kind).to.equal('waiting');
  });

  it('and no longer, once it has calls again', () => {
    const step = windowOf(signals(1000, 50), signals(1000, 45));
    expect(judge(step, limits, { before: signals(1000) }).kind).to.equal('good');
  });
});

describe('the judge waits', () => {
  it('for as many calls of the new version as it was told, whatever they are', () => {
    expect(judge(windowOf(signals(99, 9)), limits)).to.deep.equal({
      ...{
        kind: 'waiting',
        why: 'The new version had 99 of the 100 calls that a judgement needs.',
      },
    });
    expect(judge(windowOf(signals(100)), limits).kind).to.equal('good');
    expect(judge(windowOf(signals(0), signals(0)), limits).kind).to.equal('waiting');
  });

  it('rather than call good what looks worse than allowed and is not sure', () => {
    const verdict = judge(windowOf(signals(100, 3)), limits);
    expect(verdict.kind).to.equal('waiting');
    expect(verdict.why).to.equal(
      '3 % of 100 calls of the new version failed (tool 3), 0.5 % of 1000 of the old one; 1 % ' +
        'is allowed. More calls will show whether that is chance.',
    );
  });

  it('rather than call a disaster what is hardly above a high limit', () => {
    const generous = { ...limits, maxErrorRate: 0.15 };
    expect(judge(windowOf(signals(20, 4)), generous).kind).to.equal('waiting');
    expect(judge(windowOf(signals(60, 40)), generous).kind).to.equal('disaster');
  });

  it('but not before a disaster: 10 calls are enough, and 9 are not', () => {
    expect(judge(windowOf(signals(10, 5)), limits).kind).to.equal('disaster');
    expect(judge(windowOf(signals(9, 9)), limits).kind).to.equal('waiting');
  });
});

describe('the p99', () => {
  it('is not judged where the old version has too few calls', () => {
    const slow = { ...signals(1000), latency: [{ upTo: 10_000, calls: 1000 }] };
    expect(judge(windowOf(slow, signals(99)), limits).kind).to.equal('good');
    expect(judge(windowOf(slow, signals(1000)), limits).kind).to.equal('bad');
  });

  it('is not judged by fewer than a hundred calls, whatever was asked for', () => {
    const few = { ...limits, minCalls: 10 };
    const slow = (calls: number) => ({ ...signals(calls), latency: [{ upTo: 10_000, calls }] });
    expect(judge(windowOf(slow(99)), few).kind).to.equal('good');
    expect(judge(windowOf(slow(100)), few).kind).to.equal('bad');
  });

  it('of many calls and of few is the same where they are alike', () => {
    for (const [few, many] of [
      [100, 1000],
      [1000, 1e9],
      [1e9, 1000],
    ] as const)
      expect(judge(windowOf(signals(few), signals(many)), limits).kind).to.equal('good');
  });

  it('is not judged where the old one lies in the bucket without an end', () => {
    const off = { ...signals(1000), latency: [{ upTo: Infinity, calls: 1000 }] };
    expect(judge(windowOf(off, off), limits).kind).to.equal('good');
  });
});
