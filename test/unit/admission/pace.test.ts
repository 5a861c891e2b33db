import { expect } from 'chai';
import { admissionReceivers } from '../../../src/admission/admission.js';
import { succeeded } from '../../../src/errors.js';
import { Latest } from '../../../src/latest.js';
import { silentLog } from '../../../src/log.js';
import { createMetrics } from '../../../src/metrics.js';
import { admissionService } from '../../../src/protos.js';

describe('signing', () => {
  const { Renew } = admissionService();
  const bytes = Renew.requestSerialize({ request: 'a request' });
  let signed: string[];
  let now: number;
  let renewAs: (workload: string) => Promise<boolean>;

  beforeEach(() => {
    [signed, now] = [[], 1_000];
    const authority = {
      ...{ roots: new Latest(''), secretFor: () => undefined, trustDomain: 'mcpx' },
      signRequest(_: string, id: string) {
        signed.push(id);
        return Promise.resolve(succeeded({ chain: '', notBefore: 0, expiresAt: now }));
      },
    };
    const receivers = admissionReceivers({
      ...{ authority, spend: () => Promise.resolve(succeeded(true)), metrics: createMetrics() },
      ...{ clock: { now: () => now }, log: silentLog },
    });
    const { answer } = receivers.find(({ path }) => path === Renew.path)!;
    renewAs = async (workload) => {
      const peer = { id: `spiffe://mcpx/${workload}`, expiresAt: now + 1 };
      return (await answer(bytes, { address: '10.0.0.7', peer })).ok;
    };
  });

  it('is done for one identity so often and no more, and for others all the same', async () => {
    const asked = await Promise.all(Array.from({ length: 1_000 }, () => renewAs('claims')));
    expect(asked.filter((ok) => ok)).to.have.lengthOf(50);
    expect(signed).to.have.lengthOf(50);
    expect(await renewAs('policy')).to.equal(true);
  });

  it('goes on after a while', async () => {
    for (let turn = 0; turn < 50; turn++) await renewAs('claims');
    expect(await renewAs('claims')).to.equal(false);
    now += 200;
    expect([await renewAs('claims'), await renewAs('claims')]).to.deep.equal([true, false]);
  });
});
