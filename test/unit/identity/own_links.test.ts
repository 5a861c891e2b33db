import { expect } from 'chai';
import { lateAt } from '../../../src/certificates/renewal.js';
import { systemClock } from '../../../src/clock.js';
import { readConfig } from '../../../src/config.js';
import { openOwnLinks } from '../../../src/identity/own_links.js';
import { silentLog } from '../../../src/log.js';
import { createMetrics } from '../../../src/metrics.js';
import { cleanUp, closing, folder, hour, valueOf } from '../certificates/stage.js';

describe('own links', () => {
  afterEach(cleanUp);

  it('show certificates anew so often that a late one is seen with a quarter left', async () => {
    const flags = { identity: { mode: 'mutual', life: '1h' }, data: folder() };
    const config = valueOf(readConfig({ env: {}, cwd: '/nonexistent', flags }));
    const parts = { config, registry: undefined, clock: systemClock, log: silentLog };
    const links = closing(valueOf(await openOwnLinks({ ...parts, metrics: createMetrics() }))!);
    // grpc-js adds up to a tenth.
    const ageMs = links.xds.limits.connectionAgeMs! * 1.1;
    const life = { notBefore: 0, expiresAt: hour };
    expect(lateAt(life, 'builtin') + ageMs).to.be.at.most(0.75 * hour);
    expect(0.4 * hour + ageMs, 'opened before it was renewed').to.be.below(lateAt(life, 'builtin'));
  });
});
