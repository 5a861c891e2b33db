import { expect } from 'chai';
import { request } from 'node:http';
import { problemDetails } from '../../../src/admin/schemas.js';
import { startAdmin } from '../../../src/admin/admin.js';
import { optionsFor, startOn, stateOf, stopAll } from './stage.js';

const json = { 'content-type': 'application/json' };

/** `fetch` may not set Host, so this asks by hand. */
function statusFor(url: string, headers: Record<string, string>, method = 'GET'): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { headers, method }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on('error', reject);
    sent.end();
  });
}

describe('a request to the admin API', () => {
  let url = '';
  beforeEach(async () => {
    url = await startOn(stateOf());
  });
  afterEach(stopAll);

  const post = (body: string, headers: Record<string, string> = json) =>
    fetch(`${url}/v1/services`, { method: 'POST', headers, body });

  it('that is not JSON is answered with 400 and what is wrong', async () => {
    const answer = await post('{"name": claims}');
    expect(answer.status).to.equal(400);
    const { detail, title } = problemDetails.parse(await answer.json());
    expect(title).to.equal('Bad Request');
    expect(detail).to.contain('Unexpected token');
  });

  it('that is a list, or of another type, is refused with what to send', async () => {
    expect((await post('[]')).status).to.equal(400);
    const answer = await post('name: claims', { 'content-type': 'text/yaml' });
    expect(answer.status).to.equal(415);
    expect(await answer.text()).to.contain('content-type: application/json');
  });

  it('of more than a megabyte is refused with 413', async () => {
    const answer = await post(JSON.stringify({ name: 'x'.repeat(1_100_000) }));
    expect(answer.status).to.equal(413);
  });

  it('for no known path is answered with 404 and where to look', async () => {
    const answer = await fetch(`${url}/v1/service`);
    expect(answer.status).to.equal(404);
    expect(problemDetails.parse(await answer.json()).detail).to.contain('/openapi.json');
  });

  it('by a wrong method is answered with 405 and the right ones', async () => {
    const answer = await fetch(`${url}/v1/services`, { method: 'DELETE' });
    expect(answer.status).to.equal(405);
    expect(answer.headers.get('allow')).to.equal('GET, POST');
  });

  it('under a foreign Host is refused on loopback', async () => {
    expect(await statusFor(`${url}/v1/services`, { host: 'evil.example:8081' })).to.equal(403);
    for (const host of ['localhost:8081', '127.0.0.1', '[::1]:8081'])
      expect(await statusFor(`${url}/v1/services`, { host }), host).to.equal(200);
  });

  it('that writes from another origin is refused, from its own not', async () => {
    const path = `${url}/v1/services/claims`;
    for (const origin of ['http://evil.example', 'null'])
      expect(await statusFor(path, { origin }, 'DELETE'), origin).to.equal(403);
    expect(await statusFor(path, { origin: url }, 'DELETE')).to.equal(404);
  });

  it('cannot be taken on a port in use: the problem names port and key', async () => {
    const port = Number(new URL(url).port);
    const second = await startAdmin(stateOf(), optionsFor({ admin: { host: '127.0.0.1', port } }));
    expect(second.ok).to.be.false;
    if (second.ok) return;
    expect(second.problems[0]?.code).to.equal('port_in_use');
    expect(second.problems[0]?.message).to.contain(`${port}`).and.contain('admin.port');
  });
});
