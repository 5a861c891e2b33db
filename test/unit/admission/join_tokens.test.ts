import { expect } from 'chai';
import { joinTokens } from '../../../src/admission/join_tokens.js';
import { checkToken } from '../../../src/admission/token.js';
import type { RootStatus } from '../../../src/certificates/roots.js';
import { ownWorkloads } from '../../../src/certificates/workload.js';
import { Latest } from '../../../src/latest.js';

const [signing, next] = ['a'.repeat(64), 'b'.repeat(64)];
const secretFor = (purpose: string, root: string) =>
  root === signing ? Buffer.from(`of ${purpose}`) : undefined;
const authority = {
  list: () => [{ fingerprint: next }, { fingerprint: signing }] as RootStatus[],
  secretFor,
  signer: new Latest(signing),
  spiffeIdOf: (workload: string) => `spiffe://example.org/${workload}`,
};
const now = Date.now();
const mint = joinTokens(authority, { now: () => now });

describe('minting join tokens', () => {
  it('gives an edge and a sidecar the identity of their role, for a quarter of an hour', () => {
    for (const [wish, id] of [
      [{ role: 'edge' }, 'spiffe://example.org/edge'],
      [{ role: 'sidecar', service: 'claims' }, 'spiffe://example.org/claims'],
    ] as const) {
      const minted = mint(wish);
      if (!minted.ok) throw new Error(minted.problems[0]?.message);
      const { token, ...said } = minted.value;
      expect(said).to.deep.equal({ id, expiresAt: now + 15 * 60_000 });
      const checked = checkToken(token, (root) => secretFor('join token', root), now);
      expect(checked).to.have.nested.property('claims.id', id);
    }
  });

  it('pins the root that signs, and those that may sign soon', () => {
    const minted = mint({ role: 'edge' });
    const token = minted.ok ? minted.value.token : '';
    const checked = checkToken(token, (root) => secretFor('join token', root), now);
    expect(checked).to.have.nested.property('claims.roots').that.deep.equals([signing, next]);
  });

  it('makes no two alike', () => {
    const made = [mint({ role: 'edge' }), mint({ role: 'edge' })];
    const [one, other] = made.map((each) => (each.ok ? each.value.token : ''));
    expect(one).not.to.equal(other);
  });

  for (const service of ownWorkloads)
    it(`refuses a service that is called ${service}, as a part of MCPX is`, () => {
      const minted = mint({ role: 'sidecar', service });
      expect(minted.ok ? [] : minted.problems.map(({ message }) => message).join()).to.contain(
        `${service} is the name of a part of MCPX`,
      );
    });
});
