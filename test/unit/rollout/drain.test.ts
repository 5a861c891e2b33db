import { expect } from 'chai';
import { drainWords } from '../../../src/rollout/drain.js';
import { minute, rolloutIn } from './rollouts.js';

describe('what is said of sessions at the end of a rollout', () => {
  const ended = (drainMs: number) => rolloutIn('promoted', { drainMs });
  const long = rolloutIn('aborted', { drainMs: 30 * minute });

  it('is how long the loser keeps them', () => {
    expect(drainWords({ current: ended(5_000), earlier: [] })).to.equal(
      '1.0.0 keeps its sessions for 5 s, then they end',
    );
    expect(drainWords({ current: ended(0), earlier: [] })).to.equal(
      'sessions on 1.0.0 end at once',
    );
  });

  it('is as long as who lost before it still drains, for both are retired together', () => {
    for (const drainMs of [0, 5_000])
      expect(drainWords({ current: ended(drainMs), earlier: [long] })).to.equal(
        '1.0.0 keeps its sessions for 30 min, then they end',
      );
  });

  it('counts what has drained of the one before', () => {
    const since = long.events.map((event) => ({ ...event, at: event.at - 20 * minute }));
    const before = { ...long, events: since };
    expect(drainWords({ current: ended(5_000), earlier: [before] })).to.equal(
      '1.0.0 keeps its sessions for 10 min, then they end',
    );
  });
});
