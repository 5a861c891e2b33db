import { expect } from 'chai';
import { emptyFleet, type Registration } from '../../../src/fleet/fleet.js';
import { merge } from '../../../src/fleet/merge.js';
import { brokenByRollout } from '../../../src/rollout/depends.js';
import { needing, report } from './registered.js';

const fleetOf = (...registrations: readonly Registration[]) =>
  merge([report('file', registrations)], new Map(), emptyFleet);

const chains = (...registrations: readonly Registration[]) =>
  fleetOf(...registrations).problems.map(({ message }) => /: (.*?)\. Register/.exec(message)?.[1]);

const claims = needing('claims@2.1.0', 'policy@^2');

describe('what a service depends on', () => {
  it('is met by any registered version of the range', () => {
    expect(chains(claims, needing('policy@1.0.0'), needing('policy@2.3.0'))).to.deep.equal([]);
  });

  it('is a problem of the one that depends when there is no such service', () => {
    const [problem] = fleetOf(claims).problems;
    expect(problem).to.deep.include({
      code: 'dependency_unmet',
      severity: 'error',
      actor: 'server owner',
      subject: { service: 'claims', instance: claims.id, source: 'file', path: 'dependsOn' },
    });
    expect(chains(claims)).to.deep.equal(['claims@2.1.0 → policy@^2 (absent)']);
  });

  it('is a problem when no version is in the range, and says which there are', () => {
    expect(chains(claims, needing('policy@1.0.0'), needing('policy@1.4.0'))).to.deep.equal([
      'claims@2.1.0 → policy@^2 (only 1.4.0, 1.0.0)',
    ]);
  });

  it('is told along the whole chain to what is missing', () => {
    expect(chains(claims, needing('policy@2.0.0', 'customer@^1'))).to.deep.equal([
      'claims@2.1.0 → policy@^2 → customer@^1 (absent)',
      'policy@2.0.0 → customer@^1 (absent)',
    ]);
  });

  it('is met by a whole version beside a broken one', () => {
    const broken = needing('policy@2.1.0', 'customer@^1');
    expect(chains(claims, broken, needing('policy@2.0.0'))).to.deep.equal([
      'policy@2.1.0 → customer@^1 (absent)',
    ]);
  });

  it('may go round in a circle', () => {
    expect(chains(claims, needing('policy@2.0.0', 'claims@^2'))).to.deep.equal([]);
    expect(chains(needing('claims@2.0.0', 'claims@^2'))).to.deep.equal([]);
  });

  it('is told without going round where a circle lacks something', () => {
    expect(chains(claims, needing('policy@2.0.0', 'claims@^2', 'customer@^1'))).to.deep.equal([
      'claims@2.1.0 → policy@^2 → customer@^1 (absent)',
      'policy@2.0.0 → claims@^2 → policy@^2 → customer@^1 (absent)',
      'policy@2.0.0 → customer@^1 (absent)',
    ]);
  });

  it('is what any instance of a version says', () => {
    const twin = needing('claims@2.1.0', 'vessels@*');
    expect(chains(claims, twin, needing('policy@2.0.0'))).to.deep.equal([
      'claims@2.1.0 → vessels@* (absent)',
    ]);
  });
});

describe('a rollout that takes a version away', () => {
  const old = needing('policy@2.0.0');
  const rollout = { service: 'policy', from: '2.0.0', to: '3.0.0' };

  it('would break who depends on it, and says whom', () => {
    const { fleet } = fleetOf(claims, old, needing('policy@3.0.0'));
    const broken = brokenByRollout(fleet, rollout);
    expect(broken.map(({ code, subject }) => [code, subject.service])).to.deep.equal([
      ['dependency_unmet', 'claims'],
    ]);
    expect(broken[0]?.message).to.contain('claims@2.1.0 → policy@^2 (only 3.0.0)');
  });

  it('breaks nobody where the new version will do, or another stays that does', () => {
    const { fleet } = fleetOf(needing('claims@2.1.0', 'policy@>=2'), old, needing('policy@3.0.0'));
    expect(brokenByRollout(fleet, rollout)).to.deep.equal([]);
    const three = fleetOf(claims, old, needing('policy@2.5.0'), needing('policy@3.0.0')).fleet;
    expect(brokenByRollout(three, rollout)).to.deep.equal([]);
  });

  it('is not blamed for what is broken already', () => {
    const { fleet } = fleetOf(needing('claims@2.1.0', 'policy@^4'), old, needing('policy@3.0.0'));
    expect(brokenByRollout(fleet, rollout)).to.deep.equal([]);
  });
});

describe('dependencies from fleet to fleet', () => {
  it('are mended by what comes, and broken again by what goes, far up the chain', () => {
    const policy = needing('policy@2.0.0', 'customer@^1');
    const customer = needing('customer@1.0.0');
    const broken = fleetOf(claims, policy);
    expect(broken.problems).to.have.length(2);
    const all = [report('file', [claims, policy, customer])];
    const mended = merge(all, new Map(), broken.fleet);
    expect(mended.problems).to.deep.equal([]);
    const again = merge([report('file', [claims, policy])], new Map(), mended.fleet);
    expect(again.problems).to.deep.equal(broken.problems);
  });
});
