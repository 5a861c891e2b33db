import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import type { Issuer } from '../../../src/certificates/certificate.js';
import { createConsulIssuer } from '../../../src/certificates/consul_issuer.js';
import { createVaultIssuer } from '../../../src/certificates/vault_issuer.js';
import { silentLog } from '../../../src/log.js';
import { authority, issue } from '../../wire/certificates.js';

/** What no real Consul or Vault answers, or only one that was set up wrongly. */
describe('an issuer elsewhere that answers strangely', () => {
  const closers: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });

  type Answer = (request: IncomingMessage, response: ServerResponse) => void;

  const addressOf = (server: Server) =>
    `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function serving(answer: Answer): Promise<string> {
    const server = createServer(answer).listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(async () => {
      server.closeAllConnections();
      await once(server.close(), 'close');
    });
    return addressOf(server);
  }

  function closing(issuer: Issuer): Issuer {
    closers.unshift(async () => issuer.close());
    return issuer;
  }

  const consulAt = (address: string) =>
    closing(createConsulIssuer({ address, token: 'secret', datacenter: '', log: silentLog }));
  const vaultAt = (address: string) =>
    closing(
      createVaultIssuer({
        ...{ address, mount: 'pki', role: 'mcpx', token: 'secret', log: silentLog },
        ...{ trustDomain: 'mcpx.test', life: '24h' },
      }),
    );

  async function messageFrom(issuer: Issuer): Promise<string> {
    const outcome = await issuer.issue('claims');
    return outcome.ok ? outcome.value.spiffeId : outcome.problems.map((p) => p.message).join('\n');
  }

  it('is told apart from Consul and Vault', async () => {
    const address = await serving((_, response) => void response.end('{"hello": "world"}'));
    for (const issuer of [consulAt(address), vaultAt(address)])
      expect(await messageFrom(issuer)).to.include(`what answers at ${address} is something else`);
  });

  it('may answer with what is no JSON', async () => {
    const address = await serving((_, response) => void response.end('<html>'));
    for (const issuer of [consulAt(address), vaultAt(address)])
      expect(await messageFrom(issuer)).to.include('its answer is no JSON');
  });

  it('cannot have the token sent on to somebody else', async () => {
    const tokens: unknown[] = [];
    const other = await serving(({ headers }, response) => {
      tokens.push(headers['x-vault-token'], headers['x-consul-token']);
      response.end('{}');
    });
    const address = await serving(({ url = '' }, response) => {
      response.writeHead(307, { location: other + url }).end();
    });
    for (const issuer of [consulAt(address), vaultAt(address)])
      expect(await messageFrom(issuer)).to.include('gives no certificate of claims');
    expect(tokens).to.deep.equal([]);
  });

  const ca = authority();
  const uri = 'spiffe://mcpx.test/claims';
  const right = issue(ca, { uris: [uri] });
  const leaves: readonly (readonly [string, { cert: string; key: string }, string])[] = [
    ['the certificate of somebody else', issue(ca, { uris: [`${uri}2`] }), `names ${uri}2`],
    ['two names', issue(ca, { uris: [uri, `${uri}2`] }), 'not exactly one SPIFFE ID'],
    ['no name', issue(ca), 'not exactly one SPIFFE ID'],
    ['a key of another', { ...right, key: issue(ca).key }, 'not its certificate'],
    ['no certificate', { ...right, cert: 'none' }, 'cannot be read'],
    ['the right one', right, uri],
  ];
  for (const [what, { cert, key }, said] of leaves)
    it(`is believed only when it gives what was asked: ${what}`, async () => {
      const data = { certificate: cert, private_key: key, issuing_ca: ca.cert };
      const address = await serving(({ url = '' }, response) => {
        if (url.endsWith('/issue/mcpx')) response.end(JSON.stringify({ data }));
        else response.writeHead(404).end('{"errors": ["nothing else"]}');
      });
      expect(await messageFrom(vaultAt(address))).to.include(said);
    });
});
