import { expect } from 'chai';
import { classify, type Head } from '../../../src/mcp/classify.js';

const json = { 'content-type': 'application/json' };
const post = (headers: Record<string, string> = {}): Head => ({
  verb: 'POST',
  headers: { ...json, ...headers },
});
const bytes = (message: unknown): Buffer => Buffer.from(JSON.stringify(message));

const meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};
const modernHeaders = {
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': 'tools/call',
  'mcp-name': 'claims__file',
};
const modernCall = {
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name: 'claims__file', arguments: {}, _meta: meta },
};
const withMeta = (changed: object) => ({
  ...modernCall,
  params: { ...modernCall.params, _meta: { ...meta, ...changed } },
});

function rejection(head: Head, message: unknown) {
  const classified = classify(head, Buffer.isBuffer(message) ? message : bytes(message));
  if (classified.kind !== 'rejected') throw new Error(`classified as ${classified.kind}`);
  const { status, body } = classified.answer;
  const { id, error } = JSON.parse(body) as {
    id: unknown;
    error: { code: number; data?: unknown };
  };
  return { status, id, code: error.code, data: error.data };
}

describe('classifying a request', () => {
  it('takes initialize as legacy, and any claim in the body as modern', () => {
    const initialize = { jsonrpc: '2.0', id: 1, method: 'initialize', params: {} };
    expect(classify(post(), bytes(initialize)).kind).to.equal('legacy');
    expect(classify(post(modernHeaders), bytes(modernCall)).kind).to.equal('modern');
  });

  it('ignores a session id when it decides the era', () => {
    const head = post({ ...modernHeaders, 'mcp-session-id': 'x' });
    expect(classify(head, bytes(modernCall)).kind).to.equal('modern');
  });

  it('takes a legacy message with a known version header, an absent one, and no other', () => {
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
    for (const version of ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'])
      expect(classify(post({ 'mcp-protocol-version': version }), bytes(ping)).kind).to.equal(
        'legacy',
      );
    expect(classify(post(), bytes(ping)).kind).to.equal('legacy');
    const wrong = rejection(post({ 'mcp-protocol-version': '2025-01-01' }), ping);
    expect(wrong).to.include({ status: 400, code: -32000, id: 1 });
  });

  it('answers a mismatch of header and body with 400 and -32020', () => {
    const cases: readonly Record<string, string>[] = [
      { ...modernHeaders, 'mcp-protocol-version': '2025-11-25' },
      { ...modernHeaders, 'mcp-method': 'tools/list' },
      { ...modernHeaders, 'mcp-name': 'claims__other' },
      { ...modernHeaders, 'mcp-name': 'Claims__file' },
      { ...modernHeaders, 'mcp-name': '=?base64?!!!?=' },
    ];
    for (const headers of cases)
      expect(rejection(post(headers), modernCall), JSON.stringify(headers)).to.include({
        status: 400,
        code: -32020,
        id: 1,
      });
  });

  it('demands every mirrored header of a modern request', () => {
    for (const name of Object.keys(modernHeaders)) {
      const headers = Object.fromEntries(
        Object.entries(modernHeaders).filter(([key]) => key !== name),
      );
      expect(rejection(post(headers), modernCall), name).to.include({ status: 400, code: -32020 });
    }
  });

  it('decodes a wrapped Mcp-Name and trims blanks before it compares', () => {
    const wrapped = `=?base64?${Buffer.from('claims__file').toString('base64')}?=`;
    for (const name of [wrapped, '  claims__file\t'])
      expect(
        classify(post({ ...modernHeaders, 'mcp-name': name }), bytes(modernCall)).kind,
      ).to.equal('modern');
  });

  it('answers an unknown modern revision with 400, -32022 and what is supported', () => {
    const version = '2027-01-01';
    const head = post({ ...modernHeaders, 'mcp-protocol-version': version });
    const message = withMeta({ 'io.modelcontextprotocol/protocolVersion': version });
    expect(rejection(head, message)).to.deep.equal({
      status: 400,
      id: 1,
      code: -32022,
      data: { supported: ['2026-07-28'], requested: version },
    });
  });

  it('answers a missing part of _meta with 400 and -32602', () => {
    const noCapabilities = withMeta({ 'io.modelcontextprotocol/clientCapabilities': undefined });
    const noMeta = { ...modernCall, params: { name: 'claims__file' } };
    for (const message of [noCapabilities, noMeta])
      expect(rejection(post(modernHeaders), message)).to.include({ status: 400, code: -32602 });
  });

  it('refuses batches, bad JSON, non-messages and wrong shapes, each with its code', () => {
    const cases: readonly (readonly [unknown, number])[] = [
      [[{ jsonrpc: '2.0', id: 1, method: 'ping' }], -32600],
      [Buffer.from('{"jsonrpc"'), -32700],
      ['text', -32600],
      [{ id: 1, method: 'ping' }, -32600],
      [{ jsonrpc: '2.0', id: null, method: 'ping' }, -32600],
      [{ jsonrpc: '2.0', id: 1, method: 7 }, -32600],
      [{ jsonrpc: '2.0', id: 1, method: 'ping', params: [] }, -32600],
    ];
    for (const [message, code] of cases)
      expect(rejection(post(), message), JSON.stringify(message)).to.include({ status: 400, code });
  });

  it('takes notifications of both eras, responses of the legacy one only', () => {
    const cancelled = { jsonrpc: '2.0', method: 'notifications/cancelled' };
    const modern = post({ 'mcp-protocol-version': '2026-07-28' });
    expect(classify(post(), bytes(cancelled))).to.include({ kind: 'notification', era: 'legacy' });
    expect(classify(modern, bytes(cancelled))).to.include({ kind: 'notification', era: 'modern' });
    const response = { jsonrpc: '2.0', id: 1, result: {} };
    expect(classify(post(), bytes(response)).kind).to.equal('response');
    expect(rejection(modern, response)).to.include({ status: 400, code: -32600 });
  });

  it('lets a legacy session be ended and listened to, and answers 405 to other verbs', () => {
    const nothing = Buffer.alloc(0);
    expect(classify({ verb: 'DELETE', headers: {} }, nothing).kind).to.equal('end');
    const modern = { 'mcp-protocol-version': '2026-07-28' };
    const session = { 'mcp-session-id': 'x' };
    expect(classify({ verb: 'GET', headers: session }, nothing).kind).to.equal('stream');
    for (const head of [
      { verb: 'GET', headers: {} },
      { verb: 'GET', headers: { ...session, ...modern } },
      { verb: 'PUT', headers: {} },
      { verb: 'DELETE', headers: modern },
    ])
      expect(rejection(head, nothing).status).to.equal(405);
  });

  it('takes JSON only, and not compressed', () => {
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
    const plain = { verb: 'POST', headers: { 'content-type': 'text/plain' } };
    expect(rejection(plain, ping).status).to.equal(415);
    expect(rejection(post({ 'content-encoding': 'gzip' }), ping).status).to.equal(415);
    const charset = post({ 'content-type': 'Application/JSON; charset=utf-8' });
    expect(classify(charset, bytes(ping)).kind).to.equal('legacy');
  });
});
