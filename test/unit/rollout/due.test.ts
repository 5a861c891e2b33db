import { expect } from 'chai';
import fc from 'fast-check';
import type { RolloutDocument } from '../../../src/fleet/rollout.js';
import { due, type Look } from '../../../src/rollout/due.js';
import type { Verdict } from '../../../src/rollout/judge.js';
import {
  after,
  applied,
  bothVersions,
  inPhase,
  minute,
  occasion,
  refusals,
  rolloutIn,
} from './rollouts.js';

const began = 1_000_000;
const verdict = (kind: Verdict['kind']): Verdict => ({ kind, why: `${kind} it is.` });

/** A look at which everything is well and the step's time is over. */
const look = (fields: Partial<Look> = {}): Look => ({
  ...{ now: began + 10 * minute, versions: bothVersions(), verdict: verdict('good') },
  ...{ earlier: [], lagging: [], registryHeard: true, ...fields },
});

const noNew = bothVersions({ '2.0.0': { passing: 0 } });
const noOld = bothVersions({ '1.0.0': { passing: 0 } });
const running = rolloutIn('running');
const did = (fields: Partial<Look>, rollout = running) => {
  const found = due(rollout, look(fields));
  return [found.what, found.why];
};

describe('a running canary', () => {
  it('takes the next step when its time is over and all is well', () => {
    expect(did({})).to.deep.equal(['advance', '10 min at 5 %. good it is.']);
  });

  it('is promoted when the time of its last step is over', () => {
    const last = after('start', 'advance', 'advance').current;
    expect(did({}, last)).to.deep.equal(['promote', '10 min at 100 %. good it is.']);
  });

  it('says how long the step has to go', () => {
    const found = due(running, look({ now: began + minute }));
    expect(found).to.deep.equal({
      ...{ what: 'wait', why: 'The step has 9 min to go.', againIn: 9 * minute },
    });
  });

  it('waits for the judge, with its words', () => {
    expect(did({ verdict: verdict('waiting') })).to.deep.equal(['wait', 'waiting it is.']);
    expect(did({ verdict: undefined })[0]).to.equal('wait');
  });

  it('needs no judge where it has no limits', () => {
    expect(did({ verdict: undefined }, { ...running, limits: undefined })[0]).to.equal('advance');
    expect(did({ verdict: verdict('bad') }, { ...running, limits: undefined })[0]).to.equal(
      'advance',
    );
  });

  for (const kind of ['bad', 'disaster'] as const)
    it(`is aborted at once when the judge says ${kind}, for its reason`, () => {
      const lagging = [{ node: 'edge-1', refused: false }];
      expect(did({ verdict: verdict(kind), now: began + 1, lagging })).to.deep.equal([
        'abort',
        `${kind} it is.`,
      ]);
    });

  it('is paused when no instance of the new version passes', () => {
    const why = 'No instance of 2.0.0 passes its checks.';
    expect(did({ versions: noNew, verdict: verdict('bad') })).to.deep.equal(['pause', why]);
    expect(did({ versions: new Map() })).to.deep.equal(['pause', why]);
  });

  it('is held by Envoys that refused or did not acknowledge its share, by name', () => {
    const lagging = [
      { node: 'edge-1', refused: false },
      { node: 'edge-2', refused: true },
      { node: 'edge-3', refused: false },
    ];
    expect(did({ lagging })).to.deep.equal([
      'wait',
      'The share of 5 % is refused by edge-2 and not acknowledged by edge-1 and edge-3.',
    ]);
  });

  it('is not promoted while somebody needs the old version, and says who', () => {
    const oldIsNeeded = 'bill 1.0.0 depends on claims@^1.';
    const last = after('start', 'advance', 'advance').current;
    expect(did({ oldIsNeeded }, last)).to.deep.equal([
      'wait',
      'Not promoted, for 1.0.0 would be retired after it. bill 1.0.0 depends on claims@^1.',
    ]);
    expect(did({ oldIsNeeded })[0], 'its share may rise').to.equal('advance');
    expect(did({ oldIsNeeded, verdict: verdict('bad') }, last)[0]).to.equal('abort');
  });

  it('at 0 % is judged by the copies it gets, and says of what they are made', () => {
    const copied = rolloutIn('running', { steps: [0, 5, 100], mirror: 10 });
    const tail =
      'gets copies only: of 10 % of the read-only calls of modern clients at /mcp/claims.';
    expect(did({ verdict: verdict('waiting') }, copied)).to.deep.equal([
      ...['wait', `waiting it is. At 0 % it ${tail}`],
    ]);
    expect(did({ verdict: undefined }, copied)[1])
      .to.contain('no signals')
      .and.contain(tail);
    expect(did({}, copied)).to.deep.equal([
      ...['advance', '10 min at 0 % (copies only). good it is.'],
    ]);
    expect(did({ verdict: verdict('bad') }, copied)[0]).to.equal('abort');
  });

  it('does nothing while its registry is not heard', () => {
    const [what] = did({ registryHeard: false, versions: noNew, verdict: verdict('disaster') });
    expect(what).to.equal('wait');
  });
});

describe('a clock that jumps', () => {
  it('behind the beginning of a step counts as no time, and is told', () => {
    const found = due(running, look({ now: began - 3 * minute }));
    expect(found.what).to.equal('wait');
    expect(found.why).to.include('The clock jumped: this step began 3 min from now');
  });

  it('is got over by pausing and resuming', () => {
    const ahead = rolloutIn('running', { stepSince: began + 1e12 });
    const early = occasion({ now: began });
    const paused = applied({ current: ahead, earlier: [] }, { what: 'pause', why: '' }, early);
    const resumed = applied(paused, { what: 'resume', why: '' }, early);
    expect(did({}, resumed.current)[0]).to.equal('advance');
  });

  it('never lets more than one step go in a look, nor one before its time', () => {
    const jumps = fc.array(fc.integer({ min: -1e12, max: 1e12 }), { maxLength: 30 });
    fc.assert(
      fc.property(jumps, (instants) => {
        let document: RolloutDocument = inPhase('running');
        for (const now of instants) {
          const before = document.current;
          const found = due(before, look({ now }));
          if (found.what === 'wait') continue;
          expect(now - before.stepSince).to.be.at.least(before.everyMs);
          document = applied(document, found, occasion({ now, who: 'mcpx' }));
          expect(document.current.step - before.step).to.be.at.most(1);
          expect(due(document.current, look({ now })).what).to.equal('wait');
        }
      }),
    );
  });
});

describe('what two replicas find due at once', () => {
  it('is done once: the second is refused, and then finds nothing to do', () => {
    const looks = [look(), look({ verdict: verdict('bad') }), look({ versions: noNew })];
    for (const each of looks) {
      const document = inPhase('running');
      const [mine, theirs] = [due(document.current, each), due(document.current, each)];
      if (mine.what === 'wait' || theirs.what === 'wait') throw new Error('nothing due');
      const written = applied(document, mine, occasion({ now: each.now }));
      expect(refusals(written, theirs, occasion({ now: each.now }))).to.have.length(1);
      const { now, versions } = each;
      expect(due(written.current, look({ now, versions })).what).to.equal('wait');
    }
  });
});

describe('a paused canary', () => {
  const paused = inPhase('paused').current;

  it('waits for a person, and says who paused it and why', () => {
    expect(did({}, paused)).to.deep.equal([
      'wait',
      'Paused by ana: because. Resume, promote or abort it.',
    ]);
  });

  it('is still aborted by the judge: a pause holds the share, not the watch', () => {
    expect(did({ verdict: verdict('disaster') }, paused)[0]).to.equal('abort');
  });
});

describe('a blue-green', () => {
  const switched = rolloutIn('switched', { limits: running.limits });

  it('goes on only by a person, whatever the time', () => {
    const now = began + 1e12;
    expect(did({ now }, rolloutIn('staged'))[0]).to.equal('wait');
    expect(did({ now }, rolloutIn('switched'))[0]).to.equal('wait');
  });

  it('goes back by itself after the switch when it has limits and fails them', () => {
    expect(did({ verdict: verdict('bad') }, switched)).to.deep.equal(['rollback', 'bad it is.']);
    expect(did({ verdict: verdict('bad') }, rolloutIn('switched'))[0]).to.equal('wait');
  });

  it('stays when there is nothing to go back to', () => {
    expect(did({ verdict: verdict('bad'), versions: noOld }, switched)[0]).to.equal('wait');
  });
});

describe('a rollout that ended', () => {
  const rows = [
    ...([['promoted', '1.0.0'] as const, ['finished', '1.0.0'] as const] as const),
    ...([['aborted', '2.0.0'] as const, ['rolled_back', '2.0.0'] as const] as const),
  ];
  for (const [phase, loser] of rows) {
    it(`as ${phase} lets ${loser} drain for its time, whatever the judge says`, () => {
      const now = began + 3 * minute;
      const found = due(rolloutIn(phase), look({ now, verdict: verdict('disaster') }));
      const why = `${loser} drains: 7 min to go, then its sessions end.`;
      expect(found).to.deep.equal({ what: 'wait', why, againIn: 7 * minute });
    });

    it(`as ${phase} retires ${loser} when that is over, and then rests`, () => {
      const document = inPhase(phase);
      const { id, step } = document.current;
      const found = due(document.current, look());
      expect(found).to.deep.equal({
        ...{ what: 'retire', seen: { id, phase, step } },
        why: `${loser} has drained for 10 min: the sessions left on it end.`,
      });
      if (found.what === 'wait') throw new Error(found.why);
      const { current } = applied(document, found, occasion({ who: 'mcpx' }));
      expect(did({ now: began + 1e12 }, current)).to.deep.equal(['wait', `${loser} is retired.`]);
    });
  }

  const promoted = rolloutIn('promoted');

  it('drains as long as it says, and by default where an older release did not say it', () => {
    const now = began + minute;
    expect(did({ now }, { ...promoted, drainMs: minute })[0]).to.equal('retire');
    expect(did({ now: began }, { ...promoted, drainMs: 0 })[0]).to.equal('retire');
    const older = { ...promoted };
    delete older.drainMs;
    expect(did({ now }, older)[1]).to.include('9 min to go');
  });

  it('waits for who lost in the rollout before, and not for who is retired', () => {
    const before = rolloutIn('promoted', { drainMs: 30 * minute });
    const found = did({ earlier: [before] }, { ...promoted, from: '2.0.0', to: '3.0.0' });
    expect(found).to.deep.equal([
      ...['wait', '2.0.0 drains: 20 min to go, then its sessions end.'],
    ]);
    const retires = did({ earlier: [before], now: began + 30 * minute }, { ...promoted });
    expect(retires[1]).to.contain('has drained for 30 min');
    const gone = { ...after('start', 'promote', 'retire').current, drainMs: 30 * minute };
    expect(did({ earlier: [gone, before] }, promoted)[0]).to.equal('retire');
  });

  it('retires nobody early by a clock that jumped back', () => {
    const found = due(promoted, look({ now: began - 60 * minute }));
    expect(found).to.deep.include({ what: 'wait', againIn: 10 * minute });
  });

  it('waits for Envoys that may still send sessions there, and for its registry', () => {
    const lagging = [{ node: 'edge-1', refused: false }];
    expect(did({ lagging })[1]).to.include('not acknowledged by edge-1');
    expect(did({ registryHeard: false })[1]).to.include('not heard');
  });

  it('drains anew, the other way, when it is rolled back after the retirement', () => {
    const retired = after('start', 'promote', 'retire');
    const back = applied(retired, { what: 'rollback', why: '' }, occasion({ now: began + minute }));
    expect(did({ now: began + minute }, back.current)[1]).to.include('2.0.0 drains: 10 min to go');
  });
});
