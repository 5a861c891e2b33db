import { expect } from 'chai';
import { checkToken, mintToken, readToken, type Claims } from '../../../src/admission/token.js';

const [root, next] = ['a'.repeat(64), 'b'.repeat(64)];
const secrets = new Map([
  [root, Buffer.alloc(32, 1)],
  [next, Buffer.alloc(32, 2)],
]);
const secretFor = (fingerprint: string) => secrets.get(fingerprint);
const now = 1_000_000;
const claims: Claims = {
  id: 'spiffe://example.org/edge',
  expiresAt: now + 1,
  nonce: 'n'.repeat(22),
  roots: [root, next],
};
const token = mintToken(claims, secrets.get(root)!);
const kindOf = (text: string, at = now) => checkToken(text, secretFor, at).kind;

/** The same token with other claims, its MAC kept. */
const altered = (changes: Partial<Claims>): string => {
  const said = Buffer.from(JSON.stringify({ ...claims, ...changes })).toString('base64url');
  return `mcpx1.${said}.${token.split('.')[2]}`;
};

describe('a join token', () => {
  it('is good until it ends, and says who its holder becomes', () => {
    expect(checkToken(token, secretFor, now)).to.deep.equal({ kind: 'good', claims });
    expect(kindOf(token, claims.expiresAt - 1)).to.equal('good');
    expect(kindOf(token, claims.expiresAt)).to.equal('expired');
  });

  it('tells its holder by which roots the control plane is known', () => {
    expect(readToken(token)?.roots).to.deep.equal([root, next]);
  });

  it('is one word that can be typed on a command line', () => {
    expect(token).to.match(/^mcpx1\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/);
  });

  const changes: Readonly<Record<string, Partial<Claims>>> = {
    'another identity': { id: 'spiffe://example.org/claims' },
    'a later end': { expiresAt: now * 2 },
    'another nonce': { nonce: 'm'.repeat(22) },
    'another root that is ours too': { roots: [next] },
    'a root that is not ours': { roots: ['c'.repeat(64)] },
  };
  for (const [what, change] of Object.entries(changes))
    it(`is forged with ${what}`, () => {
      expect(kindOf(altered(change))).to.equal('forged');
    });

  it('is forged when another key made it, or its MAC was cut short', () => {
    expect(kindOf(mintToken(claims, Buffer.alloc(32, 9)))).to.equal('forged');
    expect(kindOf(token.slice(0, -10))).to.equal('forged');
  });

  const nonsense: Readonly<Record<string, string>> = {
    nothing: '',
    'a word': 'garbage',
    'another version': token.replace('mcpx1', 'mcpx2'),
    'one without MAC': token.split('.').slice(0, 2).join('.'),
    'claims that are no JSON': 'mcpx1.AAAA.AAAA',
    'an identity with a longer path': altered({ id: 'spiffe://example.org/admin/ana' }),
    'what is far too long': `mcpx1.${'A'.repeat(10_000)}.AAAA`,
    'two lines': `${token}\n${token}`,
  };
  for (const [what, text] of Object.entries(nonsense))
    it(`is not ${what}`, () => {
      expect(kindOf(text)).to.equal('unreadable');
      expect(readToken(text)).to.equal(undefined);
    });
});
