import { expect } from 'chai';
import { identityIsOn } from '../../../src/identity_on.js';
import { readConfig } from '../../../src/config.js';
import { valueOf } from './stage.js';

const isOn = (mode: string, host: string): boolean => {
  const flags = { identity: { mode }, xds: { host } };
  return identityIsOn(valueOf(readConfig({ env: {}, flags, cwd: '/nonexistent' })));
};

describe('identity', () => {
  it('is on by itself where Envoys of other machines can connect', () => {
    for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost'])
      expect(isOn('auto', host), host).to.equal(false);
    for (const host of ['0.0.0.0', '::', '10.0.0.5', 'mcpx.example.org', '127.example.org'])
      expect(isOn('auto', host), host).to.equal(true);
  });

  it('is on or off everywhere when it is said so', () => {
    expect(isOn('mutual', '127.0.0.1')).to.equal(true);
    expect(isOn('off', '0.0.0.0')).to.equal(false);
  });
});
