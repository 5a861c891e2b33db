import { expect } from 'chai';
import { courseOf } from '../../../src/rollout/course.js';
import { rolloutIn } from './rollouts.js';

describe('the course of a rollout that begins', () => {
  it('of a canary: its steps, how long each lasts, and what takes it back', () => {
    expect(courseOf(rolloutIn('running'))).to.deep.equal([
      '5 → 50 → 100 %, each for 10 min at least',
      'taken back when over 1 % of its calls fail or its p99 is over 20 % slower, each beside ' +
        'the old version; judged from 100 calls on',
    ]);
  });

  it('of a bluegreen without limits: that nobody judges', () => {
    expect(courseOf(rolloutIn('staged'))).to.deep.equal([
      'no traffic until it is switched to, then all at once',
      'judged by nobody: it is taken back by command only',
    ]);
  });

  it('names who gets it whatever its share, and what is copied', () => {
    const match = [{ header: 'x-team', value: 'qa' }];
    const course = courseOf(rolloutIn('staged', { match, mirror: 10 }));
    expect(course.slice(2)).to.deep.equal([
      'whatever its share, for callers of /mcp/claims with x-team: qa; on /mcp they go by the ' +
        'shares',
      'gets a copy of 10 % of the read-only calls of modern clients at /mcp/claims; those on ' +
        '/mcp are not copied',
    ]);
  });

  it('says of a step at 0 % that copies are all it brings', () => {
    expect(courseOf(rolloutIn('running', { steps: [0, 5, 100], mirror: 10 }))[0]).to.equal(
      '0 (copies only) → 5 → 100 %, each for 10 min at least',
    );
  });
});
