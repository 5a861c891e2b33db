import { expect } from 'chai';
import { emptyFleet, type ProbeReport } from '../../../src/fleet/fleet.js';
import type { Phase } from '../../../src/fleet/rollout.js';
import { exposedServices } from '../../../src/fleet/exposed_services.js';
import { merge } from '../../../src/fleet/merge.js';
import { catalogueOf, registration, report, rolloutOf } from './registered.js';

const old = registration({ id: 'old', port: 1, version: '1.0.0', era: 'legacy' });
const fresh = registration({ id: 'new', port: 2, version: '2.0.0', era: 'modern' });
const versions = { '1.0.0': catalogueOf('look'), '2.0.0': catalogueOf('look', 'find') };
const told = { catalogue: versions['2.0.0'], failure: undefined, versions };
const probes: ProbeReport = new Map([['claims', told]]);

function fleetIn(phase: Phase | undefined, registrations = [old, fresh]) {
  const rollouts = new Map(phase ? [['claims', rolloutOf('claims', { phase })]] : []);
  return merge([{ ...report('file', registrations), rollouts }], probes, emptyFleet).fleet;
}

const toolsIn = (phase: Phase | undefined) =>
  exposedServices(fleetIn(phase))[0]?.tools.map(({ tool }) => tool);

describe('the version that speaks for a service', () => {
  it('is the newest where there never was a rollout', () => {
    expect(toolsIn(undefined)).to.deep.equal(['look', 'find']);
    expect(fleetIn(undefined).services[0]?.era).to.equal('modern');
  });

  for (const phase of ['running', 'paused', 'staged', 'aborted', 'rolled_back'] as const)
    it(`is the old one while a rollout is ${phase}: agents see what they can count on`, () => {
      expect(toolsIn(phase)).to.deep.equal(['look']);
      expect(fleetIn(phase).services[0]?.era).to.equal('legacy');
    });

  for (const phase of ['promoted', 'switched', 'finished'] as const)
    it(`is the new one once a rollout is ${phase}`, () => {
      expect(toolsIn(phase)).to.deep.equal(['look', 'find']);
      expect(fleetIn(phase).services[0]?.era).to.equal('modern');
    });

  it('is whichever of the two is left', () => {
    expect(fleetIn('running', [fresh]).services[0]?.era).to.equal('modern');
    expect(fleetIn('promoted', [old]).services[0]?.era).to.equal('legacy');
  });
});
