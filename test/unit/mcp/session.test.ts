import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Sessions, sealSession, unsealSession } from '../../../src/mcp/session.js';
import { readSessionKey } from '../../../src/mcp/session_key.js';

const key = randomBytes(32);
const state = {
  protocolVersion: '2025-11-25',
  createdMs: 1_700_000_000_000,
  client: { name: 'agent', version: '1' },
  upstreams: {
    claims: { id: 'MTI3LjAuMC4xOjMwMDA=;UV:YWJj', protocolVersion: '2025-06-18' },
    quiet: { id: null, protocolVersion: '2025-11-25' },
  },
};

describe('a sealed session id', () => {
  it('gives back what was sealed, in every process that has the key', () => {
    const id = sealSession(key, state, 'anonymous');
    expect(unsealSession(Buffer.from(key), id, 'anonymous')?.state).to.deep.equal(state);
  });

  it('is visible ASCII without blanks and never the same twice', () => {
    const ids = [sealSession(key, state, 'anonymous'), sealSession(key, state, 'anonymous')];
    for (const id of ids) expect(id).to.match(/^[\x21-\x7e]+$/);
    expect(ids[0]).not.to.equal(ids[1]);
  });

  it('does not open for another principal or under another key', () => {
    const id = sealSession(key, state, 'anonymous');
    expect(unsealSession(key, id, 'spiffe://mcpx/other')).to.equal(undefined);
    expect(unsealSession(randomBytes(32), id, 'anonymous')).to.equal(undefined);
  });

  it('does not open after any one bit of it changed', () => {
    const bytes = Buffer.from(sealSession(key, state, 'anonymous'), 'base64url');
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      const id = changed.toString('base64url');
      expect(unsealSession(key, id, 'anonymous'), `byte ${at}`).to.equal(undefined);
    }
  });

  it('does not open when cut, padded, spelled differently or made up', () => {
    const id = sealSession(key, state, 'anonymous');
    const others = ['', 'x', id.slice(0, -1), `${id}=`, `${id}A`, ` ${id}`, 'MTI3;UV:YWJj', 'é'];
    for (const other of others)
      expect(unsealSession(key, other, 'anonymous'), other).to.equal(undefined);
  });

  it('of 32 services stays far below the 60 KB that Envoy takes as headers', () => {
    const envelope = `MTI3LjAuMC4xOjMwMDA=;UV:${randomBytes(36).toString('base64')}`;
    const upstreams = Object.fromEntries(
      Array.from({ length: 32 }, (_, index) => [
        `a-service-with-a-rather-long-name-${index}`,
        { id: envelope.slice(0, -1) + String(index), protocolVersion: '2025-11-25' },
      ]),
    );
    expect(sealSession(key, { ...state, upstreams }, 'anonymous')).to.have.length.below(8_192);
  });

  it('does not open any more where the session was ended', () => {
    const sessions = new Sessions(key);
    const id = sessions.seal(state);
    const open = sessions.open(id);
    expect(open?.state).to.deep.equal(state);
    if (open !== undefined) sessions.end(open);
    expect(sessions.open(id)).to.equal(undefined);
  });
});

describe('the session key', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mcpx-key-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is made once, 32 bytes, readable by its owner only, and the same for all who read it', () => {
    const first = readSessionKey(join(folder, 'data'));
    const second = readSessionKey(join(folder, 'data'));
    expect(first.ok && first.value.length).to.equal(32);
    expect(second).to.deep.equal(first);
    expect(statSync(join(folder, 'data', 'session.key')).mode & 0o777).to.equal(0o600);
  });

  it('is refused with advice when the file holds something else, and left as it is', () => {
    writeFileSync(join(folder, 'session.key'), 'short');
    const read = readSessionKey(folder);
    expect(!read.ok && read.problems[0]?.message).to.match(/must hold 32 bytes but holds 5/);
    expect(readFileSync(join(folder, 'session.key'), 'utf8')).to.equal('short');
  });
});
