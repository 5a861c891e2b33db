import { expect } from 'chai';
import { silentLog } from '../../../src/log.js';
import { createConsulRegistry } from '../../../src/registry/consul.js';
import { inPhase } from '../rollout/rollouts.js';
import { anyTarget } from './watching.js';

describe('a registry that is down', () => {
  it('is told of whoever writes, with what to do', async () => {
    // Nobody listens there.
    const options = { address: 'http://127.0.0.1:1', token: '', datacenter: '' };
    const consul = createConsulRegistry({
      ...{ ...options, allowedTargets: anyTarget, log: silentLog },
    });
    const kept = await consul.keepRollout(inPhase('running'), undefined);
    await consul.close();
    const told = kept.ok ? [] : kept.problems.map(({ code, message }) => `${code}: ${message}`);
    expect(told).to.have.lengthOf(1);
    expect(told[0]).to.match(
      /^registry_unreachable: http:.* cannot be used: .+ changed: try again when it is back\.$/,
    );
  });
});
