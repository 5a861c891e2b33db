import { expect } from 'chai';
import { readConfig } from '../../../src/config.js';
import { defaultLimits } from '../../../src/xds/limits.js';

describe('limits', () => {
  it('are by default what the configuration says', () => {
    const config = readConfig({ env: {}, cwd: '/nowhere' });
    if (!config.ok) throw new Error('the default configuration does not hold');
    expect(defaultLimits).to.include(config.value.xds.limits);
  });

  it('are set by whoever runs it', () => {
    const env = { MCPX_XDS_LIMITS_STREAMS_PER_NODE: '3' };
    const config = readConfig({ env, cwd: '/nowhere' });
    expect(config.ok && config.value.xds.limits.streamsPerNode).to.equal(3);
  });
});
